/** @file Brings the tensors of a file into a network, whatever their names and shapes there: Berkeley's `surgery.transplant`. */

import { PixelwiseError } from '../errors.js';
import { formatShape, type NamedTensors, type Shape, type Tensor, toFloat32 } from '../graph/tensor.js';
import { quote } from './bytes.js';
import type { ExpectedTensor } from './load.js';
import { type NameMap, nameMaps, toOurs } from './names/index.js';
import { otherClassCount, reshapeFor, widenInput } from './reshape.js';

export interface TransplantOptions {
  /** Added to every layer's name, to fill one of several streams: `conv1_1` goes to `conv1_1color`. */
  readonly suffix?: string;
  /** Names the file in errors. */
  readonly source?: string;
}

interface Difference {
  readonly name: string;
  readonly expected: Shape;
  readonly received: Shape;
}

/** What happened to each tensor. */
export interface TransplantReport {
  /** The names that made the most tensors fit. */
  readonly map: NameMap;
  /** Parameters filled, in the network's order. */
  readonly filled: readonly string[];
  /** Those among them whose shape had to change, and how. */
  readonly reshaped: readonly { readonly name: string; readonly how: string }[];
  /** Parameters that the file lacks. */
  readonly missing: readonly string[];
  /** Score layers for another number of classes: left out, to be initialised anew. */
  readonly otherClasses: readonly Difference[];
  /** Tensors of the file, by its own names, that the network has no place for. */
  readonly unused: readonly string[];
}

type Step = { readonly how: string; readonly run: (t: Tensor<'float32'>) => Tensor<'float32'> | { refused: string } };

/** How a tensor gets into its place, or undefined. Filters for one channel more are widened only at a fusing first layer. */
function stepFor(given: Shape, wanted: Shape, map: NameMap): Step | undefined {
  const reshape = reshapeFor(given, wanted);
  if (reshape) return { how: reshape.how, run: reshape.apply };
  const fuses = map.layers.conv1_1 === 'conv1_1_bgrd' && given.length === 4 && wanted.length === 4;
  const grows = fuses && wanted[1] === (given[1] as number) + 1;
  if (!grows || ![0, 2, 3].every((axis) => given[axis] === wanted[axis])) return undefined;
  return {
    how: 'one channel more, which starts as the mean over the others',
    run: (t) => widenInput(t, wanted[1] as number),
  };
}

interface Plan {
  readonly map: NameMap;
  /** Our name to theirs. */
  readonly names: ReadonlyMap<string, string>;
  readonly steps: ReadonlyMap<string, Step>;
}

function plan(map: NameMap, expected: readonly ExpectedTensor[], given: NamedTensors, suffix: string): Plan {
  const names = new Map<string, string>();
  for (const theirs of given.keys()) names.set(toOurs(map, theirs, suffix), theirs);
  const steps = new Map<string, Step>();
  for (const { name, shape } of expected) {
    const t = given.get(names.get(name) ?? '');
    const step = t && stepFor(t.shape, shape, map);
    if (step) steps.set(name, step);
  }
  return { map, names, steps };
}

/**
 * Fills the parameters of a network from tensors under other names and shapes.
 *
 * The name map that makes most tensors fit is chosen. Fully connected layers become convolutions, Caffe's full bilinear
 * kernels depth-wise ones, its four-length shapes plain ones, and where color and depth are fused early the first filters
 * get a channel. Score layers for another number of classes are left out and reported, as are missing and unused tensors.
 *
 * @param expected the network's parameters
 * @param given tensors of a file; of a checkpoint, after `stateDictOf`
 * @returns float32 tensors that fit, in the order of `expected`; initialise the rest
 * @throws PixelwiseError `ERR_WEIGHTS` where nothing fits, where shapes differ in more than the number of classes, or where a
 * full kernel mixes classes
 */
export function transplant(
  expected: readonly ExpectedTensor[],
  given: NamedTensors,
  options: TransplantOptions = {},
): { tensors: NamedTensors; report: TransplantReport } {
  const { suffix = '', source = 'the weights' } = options;
  const plans = nameMaps.map((map) => plan(map, expected, given, suffix));
  const { map, names, steps } = plans.reduce((best, p) => (p.steps.size > best.steps.size ? p : best));

  const tensors: NamedTensors = new Map();
  const reshaped: { name: string; how: string }[] = [];
  const missing: string[] = [];
  const differ: Difference[] = [];
  const used = new Set<string>();
  for (const { name, shape } of expected) {
    const theirs = names.get(name);
    const t = theirs === undefined ? undefined : given.get(theirs);
    const step = steps.get(name);
    if (theirs === undefined || t === undefined) {
      missing.push(name);
      continue;
    }
    used.add(theirs);
    if (!step) {
      differ.push({ name, expected: shape, received: t.shape });
      continue;
    }
    const result = step.run(toFloat32(t));
    if ('refused' in result) throw refusal(source, `${quote(theirs)} does not fit ${name}: ${result.refused}.`);
    tensors.set(name, result);
    if (step.how !== '') reshaped.push({ name, how: step.how });
  }
  if (tensors.size === 0) throw nothingFits(source, expected, given, differ, map);
  if (!onlyClasses(differ)) throw otherNetwork(source, differ, map);
  const unused = [...given.keys()].filter((name) => !used.has(name) && !name.endsWith('num_batches_tracked'));
  return {
    tensors,
    report: { map, filled: [...tensors.keys()], reshaped, missing, otherClasses: differ, unused },
  };
}

/** All differences are the same one: so many classes there, so many here. */
function onlyClasses(differ: readonly Difference[]): boolean {
  const pairs = new Set(differ.map((d) => `${d.received.find((n) => n !== 1)} ${d.expected[0]}`));
  return pairs.size <= 1 && differ.every((d) => otherClassCount(d.received, d.expected));
}

const refusal = (source: string, message: string): PixelwiseError =>
  new PixelwiseError('ERR_WEIGHTS', `${source}: ${message}`, { subject: source });

const shown = (items: readonly string[]): string =>
  `${items.slice(0, 4).join(', ')}${items.length > 4 ? ` and ${items.length - 4} more` : ''}`;

const shapes = (differ: readonly Difference[]): string =>
  shown(differ.map((d) => `${d.name} (expected ${formatShape(d.expected)}, received ${formatShape(d.received)})`));

function otherNetwork(source: string, differ: readonly Difference[], map: NameMap): PixelwiseError {
  const advice = map.differs ?? 'This is the file of another network: choose the one that it was made for.';
  return refusal(
    source,
    `read with the names of ${map.name}, ${differ.length} tensors do not fit: ${shapes(differ)}. ${advice}`,
  );
}

function nothingFits(
  source: string,
  expected: readonly ExpectedTensor[],
  given: NamedTensors,
  differ: readonly Difference[],
  map: NameMap,
): PixelwiseError {
  if (differ.length > 0) return otherNetwork(source, differ, map);
  const theirs = [...given.keys()].map(quote);
  return refusal(
    source,
    `none of its ${given.size} tensors has a place in the network. Expected names such as ${shown(expected.map((e) => e.name))}, ` +
      `received ${shown(theirs)}. This is the file of another network: choose the one that it was made for.`,
  );
}

/** Names by their layers: `conv1_1.weight, conv1_1.bias` is one. */
const layersOf = (names: readonly string[]): string[] => [...new Set(names.map((n) => n.replace(/\.[^.]*$/, '')))];

/** The report in lines for a person: what was done, and what is left to do. */
export function describeTransplant(report: TransplantReport): string[] {
  const { map, filled, reshaped, missing, otherClasses, unused } = report;
  const by = new Map<string, string[]>();
  for (const { name, how } of reshaped) {
    // Shapes with leading ones are Caffe's old way to write the same shape: nothing worth a line.
    if (!how.startsWith('from ')) by.set(how, [...(by.get(how) ?? []), name]);
  }
  const [first] = otherClasses;
  return [
    `${filled.length} tensors, by the names of ${map.name}`,
    ...[...by].map(([how, names]) => `${shown(names)}: ${how}`),
    ...(first
      ? [
          `made for ${first.received.find((n) => n !== 1)} classes instead of ${first.expected[0]}: the trunk is kept, ` +
            `${shown(layersOf(otherClasses.map((d) => d.name)))} start anew`,
        ]
      : []),
    ...(missing.length > 0 ? [`not in the file: ${shown(layersOf(missing))}`] : []),
    ...(unused.length > 0 ? [`not used: ${shown(layersOf(unused))}`] : []),
  ];
}
