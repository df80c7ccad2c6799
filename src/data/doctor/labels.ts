/** @file Numbers in masks that are no classes, and what they were probably meant to be. */

import { voidLabel } from '../../image/index-png.js';
import type { Palette } from '../../image/palette.js';

/** What all masks of a set hold together. */
export interface LabelFacts {
  /** Every number that was found, in rising order. */
  readonly values: readonly number[];
  /** The class, or 255, of every legal number. */
  readonly meaning: ReadonlyMap<number, number>;
  readonly classes: readonly string[];
  readonly palette: Palette;
}

/** A reading of a set's numbers: its name, what it says, and the number each of them should be. */
export interface Reading {
  readonly code: string;
  readonly message: string;
  readonly map?: ReadonlyMap<number, number>;
}

/** Pillow's `convert('L')`: ITU-R 601 luma in 16-bit fixed point. */
export const luma = ([r, g, b]: readonly [number, number, number]): number =>
  (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

const pairs = (values: readonly number[], to: (value: number, i: number) => number): ReadonlyMap<number, number> =>
  new Map(values.map((value, i) => [value, to(value, i)]));

const list = (values: readonly number[]): string =>
  values.slice(0, 8).join(', ') + (values.length > 8 ? `, ... (${values.length} in all)` : '');

/** A class's number where they are stored as they are, 0 to `classes - 1`; other kinds have their own numbers. */
const isPlain = ({ meaning, classes }: LabelFacts): boolean =>
  classes.every((_, label) => meaning.get(label) === label);

type Reader = (facts: LabelFacts, strange: readonly number[]) => Reading | undefined;

const withoutVoid = (values: readonly number[]): readonly number[] => values.filter((v) => v !== voidLabel);

const shiftedUp: Reader = (facts, strange) => {
  const { values, classes } = facts;
  const last = classes.length;
  if (!isPlain(facts) || strange.length !== 1 || strange[0] !== last) return undefined;
  if (!values.includes(0)) {
    return {
      code: 'off-by-one',
      message: `All labels are one too high: they run from 1 to ${last}, and the classes from 0 to ${last - 1}.`,
      map: pairs(withoutVoid(values), (v) => v - 1),
    };
  }
  return {
    code: 'off-by-one',
    message:
      `Labels run from 0 to ${last}, one more than the ${last} classes: as a rule 0 stands for "no class" and all others ` +
      `are one too high. (If 0 is background, the list of classes lacks it.)`,
    map: pairs(withoutVoid(values), (v) => (v === 0 ? voidLabel : v - 1)),
  };
};

/** 0 as void, made 255 by subtracting one in eight bits, and then once more. */
const shiftedVoid: Reader = (facts, strange) =>
  isPlain(facts) && strange.length === 1 && strange[0] === voidLabel - 1 && !facts.values.includes(voidLabel)
    ? {
        code: 'shifted-void',
        message: 'Label 254 stands where void (255) is expected: one was subtracted from all labels once too often.',
        map: new Map([[254, voidLabel]]),
      }
    : undefined;

const greyPalette: Reader = ({ values, classes, palette }) => {
  const byLuma = new Map<number, number[]>();
  for (const label of [...classes.keys(), voidLabel]) {
    const color = palette[label];
    if (color) byLuma.set(luma(color), [...(byLuma.get(luma(color)) ?? []), label]);
  }
  // Two levels agree by chance too easily.
  if (values.length < 3 || !values.every((v) => byLuma.has(v))) return undefined;
  const message = `The numbers (${list(values)}) are the brightness of the classes' colours: a palette was turned into grey.`;
  // Where two classes share a grey nobody can tell them apart.
  if (!values.every((v) => byLuma.get(v)?.length === 1)) return { code: 'grey-palette', message };
  return { code: 'grey-palette', message, map: pairs(values, (v) => byLuma.get(v)?.[0] as number) };
};

/** Levels made visible: 0 and 255, 0, 127 and 255, ... */
const greyLevels: Reader = ({ values, classes }) => {
  const gaps = values.slice(1).map((v, i) => v - (values[i] as number));
  const even = Math.max(...gaps) - Math.min(...gaps) <= 1;
  if (values[0] !== 0 || values.length > classes.length || gaps.length === 0 || !even || (gaps[0] as number) < 2) {
    return undefined;
  }
  return {
    code: values.length === 2 ? 'binary' : 'grey-levels',
    message:
      `The labels are ${list(values)}: grey levels for looking at, where the class numbers ` +
      `0 to ${values.length - 1} are expected.`,
    map: pairs(values, (_, i) => i),
  };
};

const readers: readonly Reader[] = [shiftedUp, shiftedVoid, greyPalette, greyLevels];

/**
 * What is wrong with a set's numbers as a whole, or undefined.
 *
 * 0 and 255 alone are legal numbers, background and void, and still always a mistake: nothing but background would be
 * learnt.
 */
export function readLabels(facts: LabelFacts): Reading | undefined {
  const { values, meaning, classes } = facts;
  if (classes.length > 1 && values.length === 2 && values[0] === 0 && values[1] === voidLabel) {
    return {
      code: 'binary',
      message: 'The masks hold 0 and 255 only. 255 means void, which is never learnt: every other pixel is class 0.',
      map: new Map([[voidLabel, 1]]),
    };
  }
  const strange = values.filter((v) => !meaning.has(v));
  if (strange.length === 0) return undefined;
  for (const reader of readers) {
    const reading = reader(facts, strange);
    if (reading) return reading;
  }
  const legal = [...meaning.keys()].filter((v) => meaning.get(v) !== voidLabel);
  return {
    code: 'out-of-range',
    message:
      `Labels that are no classes: ${list(strange)}. Expected ${Math.min(...legal)} to ${Math.max(...legal)}, ` +
      'or void (255).',
  };
}

/** `--map` options that make a reading true. */
export const mapOptions = (map: ReadonlyMap<number, number>): string =>
  `--map ${[...map]
    .filter(([from, to]) => from !== to)
    .map(([from, to]) => `${from}=${to}`)
    .join(',')}`;
