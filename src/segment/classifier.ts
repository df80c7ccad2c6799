/** @file Finds a classifier with its weights: one of the catalogue, one that was pulled, or a file. */

import { requireCached } from '../catalogue/cache.js';
import { imagenetClasses } from '../catalogue/imagenet-classes.js';
import { requirePublished } from '../catalogue/pull.js';
import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import type { Graph, Pair } from '../graph/ir.js';
import { decodeFile } from '../graph/onnx/file.js';
import { readOnnx } from '../graph/onnx/index.js';
import type { NamedTensors } from '../graph/tensor.js';
import { classifiers, findClassifier } from '../nets/catalogue.js';
import { type Classifier, classifierGraph } from '../nets/network.js';
import { caffeBgr, imagenetRgb, type Preprocessing } from '../nets/preprocessing.js';
import { findPublished } from '../nets/published.js';
import { readWeights, stateDictOf, type TransplantReport, transplant } from '../weights/index.js';
import { isOnnx } from '../weights/onnx.js';

/** How pictures become input, by the name that `preprocessing` gives it. */
export const preprocessings = { torchvision: imagenetRgb, caffe: caffeBgr } as const;

export interface ClassifierOptions {
  /** A file of weights, or the name of published ones that were pulled. */
  readonly weights?: string;
  /** How the pictures were prepared that the weights were trained on; by default as their names tell. */
  readonly preprocessing?: keyof typeof preprocessings;
}

export interface LoadedClassifier {
  readonly name: string;
  /** By index, all names of each class. */
  readonly classes: readonly (readonly string[])[];
  readonly preprocessing: Preprocessing;
  readonly tensors: NamedTensors;
  /** Its graph, by default at its own size. */
  graph(size?: Pair): Graph;
}

/** ImageNet's names where there are as many classes; otherwise numbers. */
const namesFor = (count: number): readonly (readonly string[])[] =>
  count === imagenetClasses.length ? imagenetClasses : Array.from({ length: count }, () => []);

const looksLikePath = (text: string): boolean => /[\\/.]/.test(text);

interface Fit {
  readonly network: Classifier;
  readonly classes: number;
  readonly tensors: NamedTensors;
  readonly report: TransplantReport;
}

/** The weights in a classifier, built for as many classes as the file scores. */
function fill(network: Classifier, given: NamedTensors, source: string): Fit {
  const at = (classes: number): Fit => {
    const expected = classifierGraph(network, { classes }).parameters.map(({ value: { name, shape } }) => ({
      name,
      shape,
    }));
    return { network, classes, ...transplant(expected, given, { source }) };
  };
  const first = at(network.classes);
  const count = first.report.otherClasses[0]?.received.find((n) => n !== 1);
  return count === undefined ? first : at(count);
}

const lacks = ({ report }: Fit): string[] => [...report.missing, ...report.otherClasses.map((d) => d.name)];

function fitOf(network: Classifier, given: NamedTensors, source: string): Fit {
  const fit = fill(network, given, source);
  const missing = lacks(fit);
  if (missing.length === 0) return fit;
  throw new PixelwiseError(
    'ERR_WEIGHTS',
    `${source} does not fill ${network.name}: ${fit.tensors.size} tensors fit, ${missing.length} are missing: ` +
      `${missing.slice(0, 6).join(', ')}${missing.length > 6 ? ' and more' : ''}. Expected the weights of the whole classifier.`,
    { subject: source },
  );
}

/** The only classifier that a file fills whole, and uses up best. */
function recognize(given: NamedTensors, source: string): Fit {
  const whole = classifiers.flatMap((network) => {
    try {
      const fit = fill(network, given, source);
      return lacks(fit).length === 0 ? [fit] : [];
    } catch (error) {
      if (error instanceof PixelwiseError) return [];
      throw error;
    }
  });
  const best = whole.toSorted((a, b) => a.report.unused.length - b.report.unused.length)[0];
  if (best) return best;
  throw new PixelwiseError(
    'ERR_MODEL',
    `${source} holds none of the classifiers whole: ${classifiers.map((c) => c.name).join(', ')}. Expected the weights of one of them, or an .onnx file.`,
    { subject: source },
  );
}

function ofFit({ network, classes, tensors, report }: Fit, given?: Preprocessing): LoadedClassifier {
  return {
    name: network.name,
    classes: namesFor(classes),
    preprocessing: given ?? (report.map.input === 'torchvision' ? imagenetRgb : network.preprocessing),
    tensors,
    graph: (size) => classifierGraph(network, { classes, ...(size && { size }) }),
  };
}

/** A picture's size for files that leave it open: that of most classifiers. */
const usual = [1, 3, 224, 224] as const;

function imported(bytes: Uint8Array, file: string, preprocessing: Preprocessing = imagenetRgb): LoadedClassifier {
  const dims = Object.fromEntries(
    decodeFile(bytes).graph.input.flatMap(({ name }) => usual.map((n, axis) => [`${name}.${axis}`, n])),
  );
  const { graph, weights } = readOnnx(bytes, { dims });
  const logits = graph.outputs[0]?.value;
  const count = logits?.shape[1];
  if (graph.inputs.length !== 1 || logits?.shape[0] !== 1 || count === undefined) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `'${file}' is no classifier. Expected one picture [1, 3, H, W] in and logits [1, classes] out, received ` +
        `${graph.inputs.map((v) => `[${v.shape}]`).join(', ') || 'nothing'} in and ${logits ? `[${logits.shape}]` : 'nothing'} out.`,
      { subject: file },
    );
  }
  return { name: graph.name, classes: namesFor(count), preprocessing, tensors: weights, graph: () => graph };
}

/** The file of weights for a classifier of the catalogue. */
async function weightsFor(name: string, given: string | undefined): Promise<string> {
  if (given !== undefined && looksLikePath(given)) return given;
  const entry = given === undefined ? findPublished(name) : requirePublished(given);
  if (entry) return (await requireCached(entry.name)).path;
  throw new PixelwiseError(
    'ERR_MODEL',
    `The classifier ${name} comes without weights, and none that could be pulled are known. Name a file of them: --weights FILE (.pth, .safetensors, .npz, .caffemodel).`,
    { subject: name },
  );
}

/**
 * @param classifier a classifier of the catalogue, published weights that were pulled, a file of weights of one of the
 *   catalogue's classifiers, or an ONNX file of any classifier
 * @throws ERR_MODEL for an unknown name, or one without weights; ERR_FILE, ERR_FORMAT, ERR_WEIGHTS, ERR_GRAPH for the file
 */
export async function loadClassifier(classifier: string, options: ClassifierOptions = {}): Promise<LoadedClassifier> {
  const preprocessing = options.preprocessing && preprocessings[options.preprocessing];
  if (looksLikePath(classifier)) {
    if (options.weights !== undefined) {
      throw new PixelwiseError(
        'ERR_USAGE',
        `'${classifier}' holds its own weights: leave out --weights ${options.weights}.`,
      );
    }
    const bytes = await readBytes(classifier);
    if (isOnnx(bytes)) return imported(bytes, classifier, preprocessing);
    return ofFit(recognize(stateDictOf(readWeights(bytes, classifier).tensors), classifier), preprocessing);
  }
  const pulled = classifiers.some((c) => c.name === classifier) ? undefined : findPublished(classifier);
  const network = findClassifier(
    pulled?.kind === 'classifier' && pulled.network !== 'none' ? pulled.network : classifier,
  );
  const file = await weightsFor(network.name, options.weights ?? pulled?.name);
  return ofFit(fitOf(network, stateDictOf(readWeights(await readBytes(file), file).tensors), file), preprocessing);
}
