/** @file A model as one ONNX file that needs nothing of this project, compared with the network in memory before it is used. */

import { toTensor } from '../data/normalize.js';
import { ortBackend } from '../engine/ort-node.js';
import { PixelwiseError } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import { writeDynamicOnnx } from '../graph/onnx/dynamic.js';
import { writeOnnx } from '../graph/onnx/index.js';
import type { ExternalData } from '../graph/onnx/tensors.js';
import { type NamedTensors, type Tensor, tensor } from '../graph/tensor.js';
import type { Picture } from '../image/picture.js';
import { anySizeGraphs } from '../nets/any-size.js';
import { inputChannels, legalSide, type Network, networkGraph } from '../nets/network.js';
import { foldBatchNorm } from '../surgery/fold-batch-norm.js';
import { labelTail } from '../surgery/label-tail.js';
import { withPreprocessing } from '../surgery/processing.js';
import type { ModelDescription } from '../weights/model.js';

/** Network, weights and what they mean. */
export interface ExportSource {
  readonly network: Network;
  readonly tensors: NamedTensors;
  readonly description: ModelDescription;
}

export interface ExportOptions {
  /** Height and width of the only input that the file takes; by default it takes every size that the network does. */
  readonly size?: Pair;
  /** Bytes in, labels out; by default preprocessed float32 in, scores out. */
  readonly processing?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** The exported file against the network in memory, on one synthetic picture. */
export interface ParityCheck {
  readonly size: Pair;
  /** Largest difference of two scores, or share of pixels with another label. */
  readonly difference: number;
  readonly allowed: number;
}

export interface ExportedModel {
  readonly file: Uint8Array;
  readonly checks: readonly ParityCheck[];
}

/** Two sizes, neither square nor a multiple of any stride. */
const checkedSizes: readonly Pair[] = [
  [97, 131],
  [180, 113],
];

/**
 * Both sides are the same operators in the same precision, differently fused: scores agree to a few units in the last of
 * seven digits, labels but for ties.
 */
const tolerance = { scores: 1e-4, labels: 1e-3 };

/** The graph that a file is to equal, from the network's own. */
function finished(graph: Graph, source: ExportSource, { processing = false }: ExportOptions): Graph {
  if (!processing) return graph;
  const [, , h, w] = graph.inputs[0]!.shape as [number, number, number, number];
  return labelTail(withPreprocessing(graph, source.description.preprocessing), [h, w]);
}

function graphAt(source: ExportSource, options: ExportOptions, size: Pair): Graph {
  const classes = source.description.classes.length;
  return finished(networkGraph(source.network, { classes, size, auxiliary: false }), source, options);
}

/** Blocks of color, a ramp and a fine pattern: something of every frequency. */
function syntheticPicture([height, width]: Pair): Picture {
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const block = 70 * (((y >> 5) + (x >> 5) * (c + 1)) % 3);
        const ramp = (60 * (c === 1 ? x : y)) / Math.max(height, width);
        data[(y * width + x) * 3 + c] = Math.min(255, block + ramp + ((x * 7 + y * 13 + c * 5) % 23));
      }
    }
  }
  return { width, height, data };
}

function syntheticInput(source: ExportSource, { processing = false }: ExportOptions, size: Pair): Tensor {
  const picture = syntheticPicture(size);
  const [height, width] = size;
  if (processing) return tensor('uint8', [1, height, width, 3], picture.data);
  const color = toTensor([picture], source.description.preprocessing);
  const channels = inputChannels(source.network);
  // Further parts of the input (depth, HHA) get a pattern of their own.
  const data = Float32Array.from(
    { length: channels * height * width },
    (_, i) => color.data[i] ?? 50 * Math.sin(i / 37),
  );
  return tensor('float32', [1, channels, height, width], data);
}

async function run(
  file: Uint8Array,
  external: readonly ExternalData[],
  image: Tensor,
  threads: number,
): Promise<Tensor> {
  const session = await ortBackend('cpu').createSession(file, external, { threads });
  try {
    const output = image.dtype === 'uint8' ? 'labels' : 'scores';
    return (await session.run(new Map([['image', image]]), [output], new Map())).get(output)!;
  } finally {
    await session.dispose();
  }
}

function compare(a: Tensor, b: Tensor): Omit<ParityCheck, 'size'> {
  if (a.shape.join() !== b.shape.join()) return { difference: Number.POSITIVE_INFINITY, allowed: 0 };
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  let [difference, largest] = [0, 0];
  if (a.dtype === 'uint8') {
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) difference += 1 / x.length;
    return { difference, allowed: tolerance.labels };
  }
  for (let i = 0; i < x.length; i++) {
    const d = Math.abs(x[i]! - y[i]!);
    // Not a number is no agreement.
    difference = d <= difference ? difference : Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    largest = Math.max(largest, Math.abs(y[i]!));
  }
  return { difference, allowed: tolerance.scores * Math.max(1, largest) };
}

/**
 * Runs an exported file and the network in memory on the same synthetic pictures.
 *
 * @throws ERR_ENGINE where they differ, naming the size and by how much
 */
export async function checkParity(
  file: Uint8Array,
  source: ExportSource,
  options: ExportOptions = {},
): Promise<ParityCheck[]> {
  const { size: fixed, threads = 1, signal } = options;
  const checks: ParityCheck[] = [];
  for (const wanted of fixed ? [fixed] : checkedSizes) {
    signal?.throwIfAborted();
    const size: Pair = [legalSide(source.network, wanted[0]), legalSide(source.network, wanted[1])];
    const image = syntheticInput(source, options, size);
    const own = writeOnnx(graphAt(source, options, size), { weights: source.tensors, external: true });
    const check = {
      size,
      ...compare(await run(file, [], image, threads), await run(own.model, own.externalData, image, threads)),
    };
    if (!(check.difference <= check.allowed)) {
      const what = options.processing
        ? 'the share of pixels with another label'
        : 'the largest difference of two scores';
      throw new PixelwiseError(
        'ERR_ENGINE',
        `The exported file does not compute what '${source.network.name}' does at ${size.join('x')}. Expected at most ` +
          `${check.allowed.toPrecision(2)} for ${what}, received ${check.difference.toPrecision(2)}. The file was not written. ` +
          'Export it for one fixed size, and please report this.',
        { subject: source.network.name },
      );
    }
    checks.push(check);
  }
  return checks;
}

/** `any`, or `8 k + 1, at least 9`. */
export const sidesInWords = ({ sides }: Network): string =>
  sides ? `${sides.step} k${sides.offset ? ` + ${sides.offset}` : ''}, at least ${sides.least}` : 'any';

/** What a reader of the file has to know. */
function notes(
  source: ExportSource,
  { size, processing = false }: ExportOptions,
  graph: Graph,
): Record<string, string> {
  const { network, description } = source;
  const resizes = new Set(
    graph.nodes.flatMap((n) => (n.op === 'Resize' ? [n.attributes.coordinate_transformation_mode] : [])),
  );
  const channels = processing
    ? 'uint8 [1, height, width, 3], RGB 0..255'
    : `float32 [1, ${inputChannels(network)}, height, width], preprocessed`;
  return {
    network: network.name,
    source: network.source,
    classes: JSON.stringify(description.classes),
    palette: JSON.stringify(description.palette.slice(0, description.classes.length)),
    preprocessing: JSON.stringify({ ...description.preprocessing, inside: processing }),
    input: channels,
    output: processing
      ? 'labels: uint8 [1, height, width], class indices'
      : 'scores: float32 [1, classes, height, width], logits',
    sides: size ? size.join('x') : sidesInWords(network),
    long_side: String(description.longSide),
    upsampling: resizes.size > 0 ? `bilinear, ${[...resizes].join(' and ')}` : 'transposed convolution',
  };
}

/**
 * Writes a model as one ONNX file (opset 17), with classes, colors and preprocessing in its metadata, and compares it with
 * the network in memory.
 *
 * @throws ERR_USAGE for preprocessing inside the file where the input is more than a color picture, and for every size of a
 *   network whose file takes one only, ERR_GRAPH for a network
 *   whose graph cannot be written for every size, ERR_SHAPE for an impossible fixed size, ERR_ENGINE where the file computes
 *   something else
 */
export async function exportOnnx(source: ExportSource, options: ExportOptions = {}): Promise<ExportedModel> {
  const { network, tensors, description } = source;
  const channels = inputChannels(network);
  if (options.processing && channels !== 3) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${network.name} reads ${channels} channels, more than a color picture. Export it without processing inside.`,
      { subject: network.name },
    );
  }
  const [h, w] = options.size ?? network.inputSize;
  if (network.oneSizePerFile && !options.size) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${network.name} pools by weights that depend on the size of the picture, so one file of it takes one size. Give a height ` +
        `and a width, sides ${sidesInWords(network)}, such as ${h}x${w} (--size ${h}x${w}).`,
      { subject: network.name },
    );
  }
  const graph = graphAt(source, options, [h, w]);
  const metadata = notes(source, options, graph);
  // A file of scores keeps every parameter under its name, so that it can be read back; one of labels is only to be run.
  const folded = (g: Graph): Graph => (options.processing ? foldBatchNorm(g).graph : g);
  const weights = options.processing ? foldBatchNorm(graph).fold(tensors) : tensors;
  const file = options.size
    ? writeOnnx(folded(graph), { weights, metadata }).model
    : writeDynamicOnnx(
        anySizeGraphs(network, { classes: description.classes.length }).map((g) =>
          folded(finished(g, source, options)),
        ),
        { weights, metadata, symbols: ['height', 'width'] },
      );
  options.signal?.throwIfAborted();
  return { file, checks: await checkParity(file, source, options) };
}
