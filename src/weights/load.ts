/** @file Fits the tensors of a file to a network's own list of parameters, or says in one message why they do not fit. */

import { PixelwiseError } from '../errors.js';
import {
  type DType,
  formatShape,
  type NamedTensors,
  type Shape,
  sameShape,
  sizeOf,
  toFloat32,
} from '../graph/tensor.js';
import { quote } from './bytes.js';

/** A parameter that a network wants. */
export interface ExpectedTensor {
  readonly name: string;
  readonly shape: Shape;
  /** Element type that it is converted to; float32 by default. Whole numbers are taken as they are. */
  readonly dtype?: DType;
}

/** How a file differs from a network. All three empty: it fits. */
export interface WeightsReport {
  /** Parameters of the network that the file lacks. */
  missing: string[];
  /** Tensors of the file that the network does not know. */
  unexpected: string[];
  mismatched: { name: string; expected: Shape; received: Shape }[];
}

/** PyTorch's count of training batches per normalisation layer: no part of the computation. */
const IGNORED = /(^|\.)num_batches_tracked$/;
/** Names shown of each kind before the rest is counted. */
const SHOWN = 8;

/**
 * Matches tensors by name and shape and converts them to float32, but for those that are wanted as whole numbers.
 *
 * @param expected the network's parameters
 * @param given tensors from a file; `num_batches_tracked` entries are dropped unless expected
 * @param options.strict true (default): any difference throws; false: what fits is returned and the report tells the rest
 * @param options.source names the file in the error
 * @returns tensors that fit, in the order of `expected`, and the differences
 * @throws PixelwiseError `ERR_WEIGHTS` listing every kind of difference, with a guess at the remedy
 */
export function matchWeights(
  expected: readonly ExpectedTensor[],
  given: NamedTensors,
  options: { strict?: boolean; source?: string } = {},
): { tensors: NamedTensors; report: WeightsReport } {
  const tensors: NamedTensors = new Map();
  const report: WeightsReport = { missing: [], unexpected: [], mismatched: [] };
  for (const { name, shape, dtype = 'float32' } of expected) {
    const t = given.get(name);
    if (t === undefined) report.missing.push(name);
    else if (sameShape(t.shape, shape)) tensors.set(name, dtype === 'float32' ? toFloat32(t) : t);
    else report.mismatched.push({ name, expected: shape, received: t.shape });
  }
  const wanted = new Set(expected.map(({ name }) => name));
  report.unexpected = [...given.keys()].filter((name) => !wanted.has(name) && !IGNORED.test(name));

  const differs = report.missing.length + report.unexpected.length + report.mismatched.length > 0;
  if (differs && options.strict !== false) throw misfit(options.source ?? 'the weights', report, tensors.size);
  return { tensors, report };
}

function misfit(source: string, report: WeightsReport, matched: number): PixelwiseError {
  const { missing, unexpected, mismatched } = report;
  const kinds = [
    list('missing', missing.map(quote)),
    list('unexpected', unexpected.map(quote)),
    list(
      'of another shape',
      mismatched.map(
        (m) => `${quote(m.name)} (expected ${formatShape(m.expected)}, received ${formatShape(m.received)})`,
      ),
    ),
  ].filter((kind) => kind !== '');
  const remedy = remedies.map((guess) => guess(report, matched)).find((text) => text !== undefined);
  return new PixelwiseError(
    'ERR_WEIGHTS',
    `${source}: the weights do not fit the network. ${matched} tensors fit; ${kinds.join('; ')}. ${remedy}`,
    { subject: source },
  );
}

function list(kind: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const more = items.length > SHOWN ? ` and ${items.length - SHOWN} more` : '';
  return `${items.length} ${kind}: ${items.slice(0, SHOWN).join(', ')}${more}`;
}

/** Guesses at what went wrong, the most telling first; the last one always answers. */
const remedies: readonly ((report: WeightsReport, matched: number) => string | undefined)[] = [
  prefixInFile,
  prefixInNetwork,
  fullyConnected,
  classCount,
  otherNetwork,
  () => 'Check that the file belongs to this network, or load what fits with strict: false.',
];

function prefixInFile({ missing, unexpected }: WeightsReport): string | undefined {
  const prefix = commonPrefix(unexpected, missing);
  if (prefix === undefined) return undefined;
  return `The names in the file begin with ${quote(prefix)}, those of the network do not: remove it (stateDictOf removes those of checkpoints and DataParallel).`;
}

function prefixInNetwork({ missing, unexpected }: WeightsReport): string | undefined {
  const prefix = commonPrefix(missing, unexpected);
  if (prefix === undefined) return undefined;
  return `The names of the network begin with ${quote(prefix)}, those in the file do not: add it, or load the file into that part of the network.`;
}

/** The prefix that turns at least half of `names` into `targets`, if there is one. */
function commonPrefix(longer: readonly string[], shorter: readonly string[]): string | undefined {
  const targets = new Set(shorter);
  const counts = new Map<string, number>();
  for (const name of longer) {
    // Prefixes of a few parts; names come from files, so their length is not to be trusted.
    for (let dot = name.indexOf('.'), part = 0; dot >= 0 && part < 4; dot = name.indexOf('.', dot + 1), part++) {
      if (!targets.has(name.slice(dot + 1))) continue;
      const prefix = name.slice(0, dot + 1);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
  }
  const [best] = [...counts].sort((a, b) => b[1] - a[1]);
  return best !== undefined && best[1] * 2 >= Math.min(longer.length, shorter.length) ? best[0] : undefined;
}

/** A classifier's fully connected layers hold the same numbers as the convolutions that replace them. */
function fullyConnected({ mismatched }: WeightsReport): string | undefined {
  const flat = mismatched.filter((m) => m.received.length === 2 && sizeOf(m.received) === sizeOf(m.expected));
  if (flat.length === 0) return undefined;
  return `The file holds a classifier with fully connected layers (${quote((flat[0] as { name: string }).name)}): convolutionalise it first.`;
}

/** All differing lengths change from one number to one other number: the score layers count other classes. */
function classCount({ missing, unexpected, mismatched }: WeightsReport, matched: number): string | undefined {
  if (missing.length + unexpected.length > 0 || mismatched.length === 0 || matched === 0) return undefined;
  const pairs = new Set<string>();
  for (const { expected, received } of mismatched) {
    if (expected.length !== received.length) return undefined;
    expected.forEach((d, axis) => {
      if (d !== received[axis]) pairs.add(`${d} ${received[axis]}`);
    });
  }
  const [pair] = pairs;
  if (pair === undefined || pairs.size > 1) return undefined;
  const [ours, theirs] = pair.split(' ');
  return `The file was made for ${theirs} classes, the network has ${ours}: build it with ${theirs}, or load all but the score layers with strict: false and train those.`;
}

function otherNetwork({ missing, mismatched }: WeightsReport, matched: number): string | undefined {
  const wanted = matched + missing.length + mismatched.length;
  if (matched * 10 >= wanted) return undefined;
  return `Only ${matched} of the ${wanted} tensors of the network are in the file: it is most likely the file of another network.`;
}
