/**
 * @file The five looks of pyramid pooling without maps larger than the one looked at: the same parameters, nearly the same
 * numbers, and on a processor a third of the time (docs/default-model.md).
 *
 * What an enlarged map shows a 3x3 kernel, a kernel with interpolated taps sees on the map itself. And what is smooth because
 * it was reduced is normalised, activated and convolved before it is enlarged, not after.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Pair, Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';
import { msraOut } from './layers.js';
import { adaptivePool, lookScales, lookSize } from './looks.js';

/**
 * One axis of a 3-tap kernel whose taps lie `spacing` cells apart, put on whole cells by linear interpolation: [3 x 3], rows are
 * the cells -1, 0, 1. With `mean` two such results, half a tap to either side, are averaged as well; what would fall beyond the
 * outer cells is given to them.
 */
function onCells(spacing: number, mean: boolean): number[] {
  const m = new Array<number>(9).fill(0);
  const put = (at: number, tap: number, share: number): void => {
    const below = Math.floor(at);
    for (const [cell, part] of [
      [below, below + 1 - at],
      [below + 1, at - below],
    ] as const) {
      m[(Math.min(1, Math.max(-1, cell)) + 1) * 3 + tap]! += share * part;
    }
  };
  for (const tap of [0, 1, 2]) {
    const at = (tap - 1) * spacing;
    if (!mean) put(at, tap, 1);
    else for (const side of [-0.5, 0.5]) put(at + side * spacing, tap, 0.5);
  }
  return m;
}

/** The kernels w [C, 1, 3, 3] as `onCells` puts them on the cells, along both axes. */
function kernelsOnCells(b: GraphBuilder, w: Value, m: readonly number[]): Value {
  const c = w.shape[0]!;
  // Both axes at once: a 9x9 matrix on the kernels' rows.
  const both = Array.from({ length: 81 }, (_, i) => {
    const [tap, cell] = [Math.floor(i / 9), i % 9];
    return m[Math.floor(cell / 3) * 3 + Math.floor(tap / 3)]! * m[(cell % 3) * 3 + (tap % 3)]!;
  });
  const rows = b.op('MatMul', [b.reshape(w, [c, 9]), b.constant(floats([9, 9], both), 'cells')], {});
  return b.reshape(rows, [c, 1, 3, 3]);
}

/** Kernel i of w [C, 5, 3, 3] as [C, 1, 3, 3]. */
const kernelOf = (b: GraphBuilder, w: Value, i: number): Value => b.slice(w, [1], [i], [i + 1]);

/**
 * The five looks at x [N, C, H, W] and the convolution that mixes them, [N, C, H, W].
 *
 * @param weights the five kernels [C, 1, 3, 3]
 */
export function nearLooks(b: GraphBuilder, x: Value, weights: readonly Value[], name: string): Value {
  const [, c, h, w] = x.shape as [number, number, number, number];
  const br = `${name}.merge_layer.0.br`;
  const vector = (kind: string, value: number, trainable = true) =>
    b.parameter(`${br}.0.${kind}`, [lookScales.length * c], { init: { kind: 'constant', value }, trainable });
  const [weight, bias] = [vector('weight', 1), vector('bias', 0)];
  const [mean, variance] = [vector('running_mean', 0, false), vector('running_var', 1, false)];
  const factor = b.div(weight, b.op('Sqrt', [b.add(variance, b.scalar(1e-5))], {}));
  const shift = b.sub(bias, b.mul(mean, factor));
  const slope = b.parameter(`${br}.1.weight`, [lookScales.length * c], { init: { kind: 'constant', value: 0.25 } });
  const shape = [c, lookScales.length, 3, 3];
  const mixing = b.parameter(`${name}.merge_layer.2.cbr.0.weight`, shape, { init: msraOut(shape) });
  const depthWise = (y: Value, kernel: Value, bias?: Value) => b.conv(y, kernel, bias, { pad: 1, group: c });
  const part = (v: Value, i: number) => b.slice(v, [0], [i * c], [(i + 1) * c]);
  /** Look i at `y`, normalised (by the running statistics, always: they are part of the kernel) and activated. */
  const look = (y: Value, i: number, kernel: Value): Value => {
    const scaled = b.mul(kernel, b.reshape(part(factor, i), [c, 1, 1, 1]));
    const slopes = b.reshape(part(slope, i), [c, 1, 1]);
    return b.op('PRelu', [depthWise(y, scaled, part(shift, i)), slopes], {});
  };
  const fine = lookScales.slice(0, 3).map((scale, i) => {
    const kernel = scale === 1 ? weights[i]! : kernelsOnCells(b, weights[i]!, onCells(1 / scale, true));
    return depthWise(look(x, i, kernel), kernelOf(b, mixing, i));
  });
  const [half, tenth] = [3, 4].map((i) => {
    const seen = look(adaptivePool(b, x, lookSize([h, w], lookScales[i]!)), i, weights[i]!);
    return depthWise(seen, kernelsOnCells(b, kernelOf(b, mixing, i), onCells(lookScales[i]!, false)));
  }) as [Value, Value];
  const coarse = b.add(half, b.resize(tenth, half.shape.slice(2) as unknown as Pair, true));
  return [...fine, b.resize(coarse, [h, w], true)].reduce((p, q) => b.add(p, q));
}
