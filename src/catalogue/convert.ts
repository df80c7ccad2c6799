/** @file Weights of any origin → a model: the network found, its classes counted, names and shapes made ours. */

import type { ClassSet } from '../data/classes.js';
import { PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { type NamedTensors, numberToHalf, type Tensor, zeros } from '../graph/tensor.js';
import { vocPalette } from '../image/palette.js';
import { findNetwork, networks } from '../nets/catalogue.js';
import { type Network, networkGraph } from '../nets/network.js';
import { imagenetRgb, type Preprocessing } from '../nets/preprocessing.js';
import { published } from '../nets/published.js';
import { initialize } from '../train/initialize.js';
import {
  describeTransplant,
  foldInput,
  readWeights,
  sameMeanAs,
  stateDictOf,
  type TransplantReport,
  transplant,
} from '../weights/index.js';
import { describedModel, type ModelDescription } from '../weights/model.js';
import { requireNormalization } from '../weights/quantized.js';
import { labelSets } from './label-sets.js';

export interface ConvertOptions {
  /** Name of the network; by default the one whose parameters the file holds. */
  readonly network?: string;
  /** What the labels mean; by default what is published for the network, where the count agrees. */
  readonly classes?: ClassSet;
  /** Channel order that the model shall take; by default the one it was trained with. Results stay the same. */
  readonly order?: 'RGB' | 'BGR';
  readonly longSide?: number;
  /** Said in the model file of where it comes from. */
  readonly origin?: Readonly<Record<string, string | number>>;
}

export interface Converted {
  readonly description: ModelDescription;
  /** float32, one for every parameter of the network. */
  readonly tensors: NamedTensors;
  /** What was done, in lines. */
  readonly said: readonly string[];
}

const graphOf = (network: Network, classes: number): Graph =>
  networkGraph(network, { classes, size: network.inputSize, auxiliary: false });

const expectedOf = (graph: Graph) => graph.parameters.map((p) => ({ name: p.value.name, shape: p.value.shape }));

interface Fit {
  readonly network: Network;
  readonly graph: Graph;
  readonly tensors: NamedTensors;
  readonly report: TransplantReport;
  readonly classes: number;
}

/** The weights in a network, built for as many classes as the file scores. */
function fill(network: Network, given: NamedTensors, source: string): Fit {
  const at = (classes: number): Fit => {
    const graph = graphOf(network, classes);
    return { network, graph, classes, ...transplant(expectedOf(graph), given, { source }) };
  };
  const first = at(network.classes);
  const [other] = first.report.otherClasses;
  const count = other?.received.find((n) => n !== 1);
  return count === undefined ? first : at(count);
}

/** Parameters that the file should hold and does not: fixed bilinear kernels are known without it. */
function lacking({ graph, report }: Fit): string[] {
  const known = new Set(
    graph.parameters.filter((p) => !p.trainable && p.init.kind === 'bilinear').map((p) => p.value.name),
  );
  return [...report.missing, ...report.otherClasses.map((d) => d.name)].filter((name) => !known.has(name));
}

/** The networks that a file fills whole, those that leave least of it over. */
function candidates(given: NamedTensors, source: string): Fit[] {
  const whole = networks.flatMap((network) => {
    try {
      const f = fill(network, given, source);
      return lacking(f).length === 0 ? [f] : [];
    } catch (error) {
      // A network that it does not fit; if none is left, that is said with all their names.
      if (error instanceof PixelwiseError) return [];
      throw error;
    }
  });
  const least = Math.min(...whole.map((f) => f.report.unused.length));
  return whole.filter((f) => f.report.unused.length === least);
}

function choose(given: NamedTensors, source: string): Fit {
  const [only, ...more] = candidates(given, source);
  if (only && more.length === 0) return only;
  const found = [only, ...more].flatMap((f) => (f ? [f.network.name] : []));
  const why =
    found.length > 1
      ? `${source} fits several networks: ${found.join(', ')}. Say which one it was trained as`
      : `${source} holds none of the networks whole: ${networks.map((n) => n.name).join(', ')}. If it is one of them in part, name it`;
  throw new PixelwiseError('ERR_MODEL', `${why} with --network.`, { subject: source });
}

function named(network: string, given: NamedTensors, source: string): Fit {
  const f = fill(findNetwork(network), given, source);
  const missing = lacking(f);
  if (missing.length === 0) return f;
  const list = `${missing.slice(0, 6).join(', ')}${missing.length > 6 ? ` and ${missing.length - 6} more` : ''}`;
  throw new PixelwiseError(
    'ERR_WEIGHTS',
    `${source} does not fill ${network}: ${f.tensors.size} tensors fit, ${missing.length} are missing: ${list}. Expected all of them for a model; to start a training from it, use 'pixelwise train --init'.`,
    { subject: source },
  );
}

/** What the labels of a network mean, if weights were published for it whose number of classes agrees. */
function knownClasses(network: Network, count: number): ClassSet | undefined {
  const labels = published.find((p) => p.network === network.name)?.labels;
  const set = labels === undefined ? undefined : labelSets[labels];
  return set?.classes.length === count ? set : undefined;
}

/** How the pictures were prepared that the weights were trained on. */
function preprocessingOf({ network, report }: Fit): Preprocessing {
  return report.map.input === 'torchvision' ? imagenetRgb : network.preprocessing;
}

/** The convolution that reads the image. */
function firstLayer(graph: Graph, source: string): { weight: string; bias: string | undefined; padded: boolean } {
  const image = graph.inputs[0];
  const readers = graph.nodes.filter((n) => image !== undefined && n.inputs.includes(image));
  const [node] = readers;
  if (node?.op !== 'Conv' || readers.length > 1) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${source}: the picture goes into more than one layer, so its order cannot be changed.`,
    );
  }
  return {
    weight: node.inputs[1]?.name ?? '',
    bias: node.inputs[2]?.name,
    padded: node.attributes.pads.some((p) => p > 0),
  };
}

/** Weights that take the other channel order and give the same results. */
function reorder(graph: Graph, tensors: NamedTensors, from: Preprocessing, order: 'RGB' | 'BGR', source: string) {
  const { weight, bias, padded } = firstLayer(graph, source);
  const to = sameMeanAs(from, { order });
  const old = tensors.get(weight) as Tensor<'float32'>;
  const oldBias = (bias === undefined ? undefined : tensors.get(bias)) ?? zeros('float32', [old.shape[0] as number]);
  const next = foldInput({ weight: old, bias: oldBias as Tensor<'float32'> }, from, to, padded);
  tensors.set(weight, next.weight);
  // Without a bias there is nothing to add: the mean is the same, so the fold adds zero.
  if (bias !== undefined) tensors.set(bias, next.bias);
  return to;
}

/**
 * Makes a model of the weights in a file.
 *
 * @param bytes a weight file of any known format, or a model file
 * @param source names the file in errors
 * @throws ERR_FORMAT, ERR_UNSAFE for the file; ERR_MODEL where the network is not certain; ERR_WEIGHTS where the weights do not
 * fill it; ERR_USAGE where the classes' names are missing or too many
 */
export function convert(bytes: Uint8Array, source: string, options: ConvertOptions = {}): Converted {
  const file = readWeights(bytes, source);
  const described = describedModel(file.metadata, source);
  // A checkpoint carries its optimiser's state along.
  const given = new Map(
    [...stateDictOf(file.tensors)].filter(([name]) => !/^(momentum|mean|square|gradient)\//.test(name)),
  );
  const network = options.network ?? described?.network;
  if (described?.quantized && network !== undefined) {
    const names = expectedOf(graphOf(findNetwork(network), described.classes.length)).map((e) => e.name);
    requireNormalization(described, names, given, source);
  }
  const found = network === undefined ? choose(given, source) : named(network, given, source);
  const { graph, classes: count, report } = found;

  const set =
    options.classes ??
    (described && { classes: described.classes, palette: described.palette }) ??
    knownClasses(found.network, count);
  if (set?.classes.length !== count) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${source} scores ${count} classes${set ? `, received ${set.classes.length} names` : ', whose names are not known'}. ` +
        `Name them in order with --classes: ${Object.keys(labelSets).join(', ')}, a list with commas, or a file with a name per line.`,
      { subject: source },
    );
  }
  const tensors: NamedTensors = new Map(found.tensors);
  const fixed = graph.parameters.filter((p) => !tensors.has(p.value.name));
  for (const [name, tensor] of initialize(fixed, 0)) tensors.set(name, tensor);
  const trained = described?.preprocessing ?? preprocessingOf(found);
  const change = options.order !== undefined && options.order !== trained.order ? options.order : undefined;
  const preprocessing = change ? reorder(graph, tensors, trained, change, source) : trained;
  const palette = set.palette.length >= count ? set.palette.slice(0, count) : vocPalette(count);
  return {
    tensors,
    said: [
      `${found.network.name} with ${count} classes, from ${file.format}`,
      ...describeTransplant(report),
      ...(change ? [`the first layer now takes ${change}; results are the same`] : []),
    ],
    description: {
      version: 1,
      network: found.network.name,
      classes: set.classes,
      palette,
      preprocessing,
      longSide: options.longSide ?? described?.longSide ?? 500,
      training: { ...described?.training, ...options.origin },
    },
  };
}

/** Half the bytes: 11 bits of each number remain. @throws ERR_WEIGHTS for a number that float16 cannot hold */
export function toFloat16(tensors: NamedTensors): NamedTensors {
  return new Map(
    [...tensors].map(([name, t]) => {
      const data = Uint16Array.from(t.data as Float32Array, (v) => {
        const half = numberToHalf(v);
        if ((half & 0x7fff) === 0x7c00) {
          throw new PixelwiseError(
            'ERR_WEIGHTS',
            `${name} holds ${v}, which float16 cannot: its largest number is 65504. Leave out --float16.`,
            { subject: name },
          );
        }
        return half;
      });
      return [name, { dtype: 'float16', shape: t.shape, data }];
    }),
  );
}
