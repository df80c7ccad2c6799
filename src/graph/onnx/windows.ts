/** @file Explicit pads from the ways in which foreign files leave them open: `auto_pad` and `ceil_mode`. */

import type { Pads, Pair } from '../ir.js';
import { attribute, type Field, type Source, shapeOf } from './fields.js';
import { fourPads, int, pair, showAttribute, word } from './kinds.js';

const ones = (): Pair => [1, 1];

export const strides: Field<Pair> = attribute(pair, ones);
export const dilations: Field<Pair> = attribute(pair, ones);

const given: Field<Pads> = attribute(fourPads, () => [0, 0, 0, 0]);
const autoPad = attribute(word('NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'), () => 'NOTSET');
const ceilMode = attribute(int<0 | 1>(0, 1), () => 0);

type Side = readonly [begin: number, end: number];
const join = ([top, bottom]: Side, [left, right]: Side): Pads => [top, left, bottom, right];

/** SAME: as many cells as strides fit into `n`; an odd cell of padding goes to the end (UPPER) or the begin (LOWER). */
function samePads(n: number, k: number, s: number, lower: boolean): Side {
  const total = Math.max((Math.ceil(n / s) - 1) * s + k - n, 0);
  const small = Math.floor(total / 2);
  return lower ? [total - small, small] : [small, total - small];
}

/** Rounding up is rounding down with more padding at the end; a window must start before the padded end. */
function ceilPads(n: number, k: number, s: number, [begin, end]: Side): Side {
  let count = Math.ceil((n + begin + end - k) / s) + 1;
  if ((count - 1) * s >= n + begin) count -= 1;
  return [begin, Math.max(end, (count - 1) * s + k - n - begin)];
}

/** Pads of a convolution or pooling with the kernel that `kernelOf` finds. */
export function windowPads(kernelOf: (source: Source) => Pair): Field<Pads> {
  return {
    write: given.write,
    read(source) {
      const mode = autoPad.read(source, 'auto_pad');
      const up = ceilMode.read(source, 'ceil_mode') === 1;
      const pads = mode === 'NOTSET' ? given.read(source, 'pads') : ([0, 0, 0, 0] as const);
      if (mode !== 'SAME_UPPER' && mode !== 'SAME_LOWER' && !up) return pads;
      const [, , ...picture] = shapeOf(source);
      const [kernel, stride, dilation] = [
        kernelOf(source),
        strides.read(source, 'strides'),
        dilations.read(source, 'dilations'),
      ];
      const side = (i: 0 | 1): Side => {
        const [n, k, s] = [picture[i] ?? 0, dilation[i] * (kernel[i] - 1) + 1, stride[i]];
        const before: Side = mode.startsWith('SAME')
          ? samePads(n, k, s, mode === 'SAME_LOWER')
          : [pads[i], pads[i + 2]!];
        return up ? ceilPads(n, k, s, before) : before;
      };
      const resolved = join(side(0), side(1));
      const counted = source.attribute('count_include_pad');
      if (up && counted && showAttribute(counted) !== '0' && resolved.some((p, i) => p !== pads[i])) {
        throw source.refuse(
          'Expected pads that are counted to be explicit, received ceil_mode 1 with count_include_pad 1. ' +
            'Export the model with ceil_mode 0 and its pads written out.',
        );
      }
      return resolved;
    },
  };
}
