/** @file Pictures that occur twice: within a split, and between splits, where they make scores too good. */

import type { Content } from './observe.js';
import { counted, type Finding, shownFiles } from './report.js';

/** One picture, as short as it can be kept. */
export interface Entry {
  readonly split: string;
  readonly id: string;
  readonly file: string;
  readonly content: Content;
  /** Of its mask; undefined where that could not be read. */
  readonly mask: string | undefined;
}

/** Signs that may differ between pictures that look the same. */
const nearSigns = 2;
/** Fewer or more set signs than this: a flat picture, which looks like every other one. */
const [fewestSigns, mostSigns] = [12, 52];

function bits(x: number): number {
  let n = x - ((x >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

type Pair = readonly [Entry, Entry];

const names = (pairs: readonly Pair[]): string[] => pairs.slice(0, shownFiles).map(([a, b]) => `${a.file} = ${b.file}`);

/** Findings on a data set's pictures, those of all splits together. */
export function findDuplicates(entries: readonly Entry[]): Finding[] {
  const same = samePairs(entries);
  const across = same.filter(([a, b]) => a.split !== b.split);
  const within = same.filter(([a, b]) => a.split === b.split);
  const contradicting = same.filter(([a, b]) => a.mask !== undefined && b.mask !== undefined && a.mask !== b.mask);
  const near = nearPairs(entries).filter(([a, b]) => a.split !== b.split);
  const finding = (found: readonly Pair[], of: Omit<Finding, 'count' | 'files'>): Finding[] =>
    found.length > 0 ? [{ ...of, count: found.length, files: names(found) }] : [];
  return [
    ...finding(across, {
      severity: 'error',
      code: 'duplicate-across-splits',
      message:
        `${counted(across.length, 'picture')} of one split ${across.length === 1 ? 'is' : 'are'} in another one too ` +
        '(equal pixels): scores would be of pictures that were trained on.',
      fix: "Take them out of one of the lists, or split anew with 'pixelwise data split'.",
    }),
    ...finding(contradicting, {
      severity: 'warning',
      code: 'contradicting-masks',
      message: `${counted(contradicting.length, 'pair')} of equal pictures ${contradicting.length === 1 ? 'has' : 'have'} different masks.`,
      fix: 'Keep the better mask of each.',
    }),
    ...finding(within, {
      severity: 'warning',
      code: 'duplicate',
      message: `${counted(within.length, 'picture')} ${within.length === 1 ? 'is' : 'are'} in the same split twice (equal pixels).`,
      fix: 'Take one of each out of the list.',
    }),
    ...finding(near, {
      severity: 'warning',
      code: 'near-duplicate-across-splits',
      message: `${counted(near.length, 'picture')} of one split ${near.length === 1 ? 'looks' : 'look'} almost like one of another.`,
      fix: 'Look at them. Frames of one scene belong to one split.',
    }),
  ];
}

/** Every later picture with the first one equal to it. */
function samePairs(entries: readonly Entry[]): Pair[] {
  const first = new Map<string, Entry>();
  const pairs: Pair[] = [];
  for (const entry of entries) {
    const before = first.get(entry.content.hash);
    if (before) pairs.push([before, entry]);
    else first.set(entry.content.hash, entry);
  }
  return pairs;
}

/**
 * Every later picture with the first one that looks like it. Two looks that differ in two signs of 64 agree in at least
 * one of four quarters, so only pictures that share a quarter are compared: a set's square would take hours.
 */
function nearPairs(entries: readonly Entry[]): Pair[] {
  const quarters = Array.from({ length: 4 }, () => new Map<number, Entry[]>());
  const quarter = ([a, b]: Content['look'], i: number): number => ((i < 2 ? a : b) >>> (16 * (i & 1))) & 0xffff;
  const pairs: Pair[] = [];
  for (const entry of entries) {
    const { look, hash } = entry.content;
    const set = bits(look[0]) + bits(look[1]);
    if (set < fewestSigns || set > mostSigns) continue;
    const isNear = ({ content }: Entry): boolean =>
      content.hash !== hash && bits(content.look[0] ^ look[0]) + bits(content.look[1] ^ look[1]) <= nearSigns;
    let partner: Entry | undefined;
    for (const [i, map] of quarters.entries()) {
      const alike = map.get(quarter(look, i));
      partner ??= alike?.find(isNear);
      if (alike) alike.push(entry);
      else map.set(quarter(look, i), [entry]);
    }
    if (partner) pairs.push([partner, entry]);
  }
  return pairs;
}
