/** @file What a network is: a page that draws itself into a graph, and the facts that its users need. */

import { PixelwiseError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Pair, Value } from '../graph/ir.js';
import type { Preprocessing } from './preprocessing.js';
import type { Upsampling } from './upsample.js';

/** A part of the input's channels, where a network sees more than one picture. */
export type Modality =
  | { readonly name: 'color' | 'hha'; readonly channels: 3; readonly preprocessing: Preprocessing }
  /** The natural logarithm of the depth, less `mean`. */
  | { readonly name: 'depth'; readonly channels: 1; readonly mean: number };

export interface NetworkOutputs {
  /** Score map [N, classes, H, W] at the image's size. */
  readonly scores: Value;
  /** The score map before the last enlargement. */
  readonly low: Value;
  /** Score map of the auxiliary head at the image's size, for a second loss. */
  readonly auxiliary?: Value;
  /** Score maps for further label layers of the same picture. */
  readonly heads?: Readonly<Record<string, Pick<NetworkOutputs, 'scores' | 'low'>>>;
  /** Inner maps by their names in the paper. */
  readonly taps?: Readonly<Record<string, Value>>;
}

export interface BuildOptions {
  /** Number of classes; by default the network's own. */
  readonly classes?: number;
  /** How score maps grow back to the image; by default as in the network's source. */
  readonly upsampling?: Upsampling;
  /** False leaves out the auxiliary head of a network that has one. Default true. */
  readonly auxiliary?: boolean;
}

/** The sides `step * k + offset` that are at least `least`. */
export interface Sides {
  readonly step: number;
  readonly offset: number;
  readonly least: number;
}

export interface Network {
  /** Its name in the catalogue. */
  readonly name: string;
  readonly title: string;
  /** Where layers and numbers come from. */
  readonly source: string;
  /** Classes of the published network, background included. */
  readonly classes: number;
  /** Of the color picture, which is the first part of the input. */
  readonly preprocessing: Preprocessing;
  /** Every part of the input, where it is more than one color picture. */
  readonly modalities?: readonly Modality[];
  /** Names of the classes of its further heads; `classes` counts those of the first. */
  readonly heads?: Readonly<Record<string, readonly string[]>>;
  /** Input pixels per cell of `low`. */
  readonly stride: number;
  /** Height and width at which its costs are stated; always a legal size. */
  readonly inputSize: Pair;
  /** Heights and widths it can run on, where that is not every one. */
  readonly sides?: Sides;
  /** True: constants in its graph depend on the size, so that an ONNX file of it takes one size only. */
  readonly oneSizePerFile?: boolean;
  /**
   * Draws the network.
   *
   * @param image float32 [N, C, H, W], preprocessed; C is 3, or the sum over the modalities
   */
  build(b: GraphBuilder, image: Value, options?: BuildOptions): NetworkOutputs;
}

/** A network that says what is in a picture, not where. */
export interface Classifier {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly inputSize: Pair;
  /** Draws the classifier; returns logits [N, classes]. */
  build(b: GraphBuilder, image: Value, options?: { readonly classes?: number }): Value;
}

export interface GraphOptions extends BuildOptions {
  readonly size: Pair;
  readonly batch?: number;
  /** What the graph puts out: `scores` (default), `low`, `auxiliary`, or a name among the heads or taps. */
  readonly outputs?: readonly string[];
}

/** Number of channels that a network reads. */
export const inputChannels = (network: Network): number =>
  network.modalities?.reduce((sum, m) => sum + m.channels, 0) ?? 3;

/** The smallest legal side that is at least `n` pixels long: what to pad a picture to. */
export function legalSide({ sides }: { readonly sides?: Sides | undefined }, n: number): number {
  if (!sides) return n;
  const { step, offset, least } = sides;
  return Math.ceil((Math.max(n, least) - offset) / step) * step + offset;
}

/** The legal side nearest to `n` pixels, the larger of two: what to resize a picture to. */
export function nearestSide(network: Network, n: number): number {
  const above = legalSide(network, n);
  const below = above - (network.sides?.step ?? 1);
  return below >= (network.sides?.least ?? 1) && n - below < above - n ? below : above;
}

/**
 * Refuses a network that reads something else than the color picture and what is given beside it.
 *
 * @param given names of the further inputs
 * @throws ERR_USAGE naming what it reads
 */
export function requireInputs({ name, modalities }: Network, given: readonly string[] = []): void {
  const read: readonly string[] = modalities?.map((m) => m.name) ?? ['color'];
  const refuse = (reason: string) =>
    new PixelwiseError('ERR_USAGE', `${name} reads ${read.join(' and ')}: ${reason}`, { subject: name });
  const missing = read.filter((m) => m !== 'color' && !given.includes(m));
  if (missing.length > 0) {
    throw refuse(
      `a photograph has no ${missing.join(' and no ')}. Give ${missing.join(' and ')} along where that is possible ` +
        '(segment --depth or --hha, eval on nyudv2), or use nyud-fcn32s-color for photographs of rooms.',
    );
  }
  const unread = given.filter((m) => !read.includes(m));
  if (unread.length > 0) throw refuse(`it has no use for ${unread.join(' and ')}. Leave it out.`);
}

/** @throws ERR_SHAPE for a height or width that the network cannot run on */
export function checkSize(network: Network, size: Pair): void {
  const refuse = (message: string) =>
    new PixelwiseError('ERR_SHAPE', `${network.name}: ${message}`, { subject: network.name });
  if (!size.every((n) => Number.isInteger(n) && n >= 1)) {
    throw refuse(`expected a height and a width, received ${size.join('x')}.`);
  }
  const legal = size.map((n) => legalSide(network, n));
  if (!network.sides || legal.join() === size.join()) return;
  const { step, offset, least } = network.sides;
  const rule = step === 1 ? '' : ` ${step}k${offset === 0 ? '' : ` + ${offset}`}`;
  throw refuse(`expected sides${rule} of at least ${least}, received ${size.join('x')}. Pad to ${legal.join('x')}.`);
}

/**
 * The graph of a network at one size: input `image` float32 [batch, C, H, W], output `scores` [batch, classes, H, W].
 *
 * @throws ERR_SHAPE for a size the network cannot run on, ERR_USAGE for an impossible option
 */
export function networkGraph(network: Network, options: GraphOptions): Graph {
  const { size, batch = 1, outputs = ['scores'], ...build } = options;
  const classes = build.classes ?? network.classes;
  if (!Number.isInteger(classes) || classes < 1) {
    throw new PixelwiseError('ERR_USAGE', `${network.name}: expected a whole number of classes, received ${classes}.`);
  }
  checkSize(network, size);
  const b = new GraphBuilder(network.name);
  const { scores, low, auxiliary, heads, taps } = network.build(
    b,
    b.input('image', 'float32', [batch, inputChannels(network), ...size]),
    build,
  );
  const further = Object.fromEntries(Object.entries(heads ?? {}).map(([name, head]) => [name, head.scores]));
  const values: Record<string, Value | undefined> = { ...taps, ...further, scores, low, auxiliary };
  for (const name of outputs) {
    const value = values[name];
    if (!value) {
      const known = Object.keys(values).filter((key) => values[key]);
      throw new PixelwiseError('ERR_USAGE', `${network.name} has no output '${name}'. It has ${known.join(', ')}.`);
    }
    b.output(name, value);
  }
  return b.finish();
}

/** The graph of a classifier: input `image` float32 [batch, 3, H, W], output `logits` [batch, classes]. */
export function classifierGraph(
  classifier: Classifier,
  options: { readonly size?: Pair; readonly batch?: number; readonly classes?: number } = {},
): Graph {
  const { size = classifier.inputSize, batch = 1, ...build } = options;
  const b = new GraphBuilder(classifier.name);
  b.output('logits', classifier.build(b, b.input('image', 'float32', [batch, 3, ...size]), build));
  return b.finish();
}
