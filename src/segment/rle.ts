/** @file Masks as lengths of runs, as COCO stores them: down the columns, beginning with the pixels outside. */

import type { LabelMap } from '../image/index-png.js';

/** A COCO run-length mask; `counts` is the compressed text, or the plain lengths. */
export interface CocoMask {
  /** Height, then width. */
  readonly size: readonly [height: number, width: number];
  readonly counts: string | readonly number[];
}

/**
 * The runs of every label at once: lengths of pixels outside and inside in turn, down the columns.
 *
 * @returns by label; a label that is nowhere is left out
 */
export function columnRunsOf({ width, height, data }: LabelMap): Map<number, number[]> {
  const runs = new Map<number, number[]>();
  /** By label, the place after its last run. */
  const ends = new Float64Array(256);
  const close = (label: number, from: number, to: number): void => {
    const known = runs.get(label);
    const gap = from - ends[label]!;
    ends[label] = to;
    if (!known) runs.set(label, [from, to - from]);
    // Two runs of one label that meet at the foot of a column and the head of the next are one.
    else if (gap === 0) known[known.length - 1] = known.at(-1)! + to - from;
    else known.push(gap, to - from);
  };
  let at = 0;
  for (let x = 0; x < width; x++) {
    let [label, from] = [data[x]!, at];
    for (let y = 0; y < height; y++, at++) {
      const next = data[y * width + x]!;
      if (next === label) continue;
      close(label, from, at);
      [label, from] = [next, at];
    }
    close(label, from, at);
  }
  for (const [label, counts] of runs) if (ends[label]! < at) counts.push(at - ends[label]!);
  return runs;
}

/**
 * COCO's compressed text of run lengths (pycocotools `maskApi.c`, `rleToString`): from the third on, each as the difference to
 * the one two before; five bits per character, least significant first, bit 5 says that more follow, from '0' on.
 */
export function compressCounts(counts: readonly number[]): string {
  let text = '';
  for (let i = 0; i < counts.length; i++) {
    let value = counts[i]! - (i > 2 ? counts[i - 2]! : 0);
    for (let more = true; more; ) {
      const bits = value & 0x1f;
      value >>= 5;
      // Done when what is left is nothing but the sign, and the last bit written says which.
      more = bits & 0x10 ? value !== -1 : value !== 0;
      text += String.fromCharCode(48 + bits + (more ? 0x20 : 0));
    }
  }
  return text;
}
