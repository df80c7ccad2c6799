/** @file Dividing samples into splits so that every class is spread over all of them. */

import { PixelwiseError } from '../errors.js';
import { createRandom } from './random.js';

/** One sample and the classes in it. */
export interface Labelled {
  readonly id: string;
  readonly classes: readonly number[];
}

/** A split to make: its name and its share of the samples. */
export interface Part {
  readonly name: string;
  readonly share: number;
}

/** What is still to be given to a part. */
interface Want {
  readonly name: string;
  samples: number;
  readonly ofClass: Map<number, number>;
}

/**
 * Divide samples by shares, evenly in every class as far as whole samples allow: iterative stratification (Sechidis,
 * Tsoumakas, Vlahavas 2011). The rarest class is dealt out first, each sample to the part that lacks the class most.
 *
 * The same samples, shares and seed give the same parts, whatever order the samples come in.
 *
 * @param parts shares that add up to 1
 * @returns sorted ids per part; a part gets round(share x samples) of them, and no part is left empty
 * @throws `ERR_USAGE` for shares that cannot be met
 */
export function stratify(samples: readonly Labelled[], parts: readonly Part[], seed: number): Map<string, string[]> {
  const sizes = partSizes(samples.length, parts);
  const sorted = [...samples].sort((a, b) => (a.id < b.id ? -1 : 1));
  const order = createRandom(seed).shuffle(Uint32Array.from({ length: sorted.length }, (_, i) => i));
  const left = new Set([...order].map((i) => sorted[i] as Labelled));
  const total = countClasses(left);
  const wants = parts.map(({ name }, i): Want => {
    const samples = sizes[i] as number;
    const share = samples / sorted.length;
    return { name, samples, ofClass: new Map([...total].map(([label, n]) => [label, n * share])) };
  });
  const result = new Map(parts.map(({ name }): [string, string[]] => [name, []]));
  const give = (sample: Labelled, want: Want): void => {
    result.get(want.name)?.push(sample.id);
    left.delete(sample);
    want.samples--;
    for (const label of sample.classes) want.ofClass.set(label, (want.ofClass.get(label) ?? 0) - 1);
  };
  while (left.size > 0) {
    const rarest = [...countClasses(left)].sort(([a, n], [b, m]) => n - m || a - b)[0]?.[0];
    for (const sample of [...left]) {
      if (rarest !== undefined && !sample.classes.includes(rarest)) continue;
      give(sample, neediest(wants, rarest));
    }
  }
  for (const ids of result.values()) ids.sort();
  return result;
}

function countClasses(samples: Iterable<Labelled>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { classes } of samples) for (const c of classes) counts.set(c, (counts.get(c) ?? 0) + 1);
  return counts;
}

/** Of the parts with room, the one that lacks the class most, then the one that lacks samples most. */
function neediest(wants: readonly Want[], label: number | undefined): Want {
  const need = (w: Want): number => (label === undefined ? 0 : (w.ofClass.get(label) ?? 0));
  const open = wants.filter((w) => w.samples > 0);
  return open.reduce((best, w) => {
    const more = need(w) - need(best);
    return more > 1e-9 || (Math.abs(more) <= 1e-9 && w.samples > best.samples) ? w : best;
  });
}

/** Whole numbers of samples; the first part takes what rounding leaves. */
function partSizes(count: number, parts: readonly Part[]): number[] {
  const [first, ...others] = parts.map(({ share }) => Math.max(1, Math.round(share * count)));
  const rest = count - others.reduce((a, n) => a + n, 0);
  const sum = parts.reduce((a, { share }) => a + share, 0);
  if (first === undefined || Math.abs(sum - 1) > 1e-9 || parts.some(({ share }) => share <= 0) || rest < 1) {
    const shares = parts.map(({ name, share }) => `${name} ${share}`).join(', ');
    throw new PixelwiseError(
      'ERR_USAGE',
      `Cannot divide ${count} samples into ${shares}. Expected shares above 0 that add up to 1, and a sample for each.`,
    );
  }
  return [rest, ...others];
}
