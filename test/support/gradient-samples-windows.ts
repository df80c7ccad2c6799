/** @file Random convolutions and poolings: windows that overlap, leave gaps, hang over, and see only padding. */

import fc from 'fast-check';
import type { OpType, Pads, Pair } from '../../src/graph/ir.js';
import type { GradientSample } from './finite-differences.js';

/** Samples made from random forms, which a failure prints. */
export const sampled = <T>(forms: fc.Arbitrary<T>, make: (form: T) => GradientSample): fc.Arbitrary<GradientSample> =>
  forms.map((form) => ({ ...make(form), [fc.toStringMethod]: () => fc.stringify(form) }));

export const from = (min: number, max: number) => fc.integer({ min, max });
const pairs = (min: number, max: number): fc.Arbitrary<Pair> => fc.tuple(from(min, max), from(min, max));
const pads: fc.Arbitrary<Pads> = fc.tuple(from(0, 5), from(0, 5), from(0, 5), from(0, 5));

/** Mostly small kernels; sometimes one whose positions are cut out by rows and columns. */
const kernels: fc.Arbitrary<Pair> = fc.oneof(
  { weight: 8, arbitrary: pairs(1, 4) },
  { weight: 1, arbitrary: fc.constant([9, 8] as const) },
);

const convolution = fc.record({
  n: from(1, 2),
  group: from(1, 3),
  inputs: from(1, 3),
  outputs: from(1, 3),
  kernel: kernels,
  stride: pairs(1, 3),
  dilation: pairs(1, 3),
  pad: pads,
  /** Cells beyond the smallest map that gives any output. */
  more: pairs(0, 5),
  bias: fc.boolean(),
});

const Conv = sampled(convolution, (o) => {
  const side = (axis: 0 | 1) =>
    Math.max(1, o.dilation[axis] * (o.kernel[axis] - 1) + 1 - o.pad[axis] - o.pad[axis + 2]!) + o.more[axis];
  return {
    inputs: {
      x: { shape: [o.n, o.group * o.inputs, side(0), side(1)] },
      w: { shape: [o.group * o.outputs, o.inputs, ...o.kernel] },
      ...(o.bias && { bias: { shape: [o.group * o.outputs] } }),
    },
    build: (b, v) => b.conv(v.x!, v.w!, v.bias, { ...o }),
  };
});

const enlargement = fc
  .record({ convolution, size: pairs(1, 4), outputPadding: pairs(0, 2) })
  .filter(({ convolution: { kernel, stride, dilation, pad }, size, outputPadding }) =>
    ([0, 1] as const).every((i) => {
      const whole = stride[i] * (size[i] - 1) + dilation[i] * (kernel[i] - 1) + 1;
      return outputPadding[i] < stride[i] && whole - pad[i] - pad[i + 2]! + outputPadding[i] > 0;
    }),
  );

const ConvTranspose = sampled(enlargement, ({ convolution: o, size, outputPadding }) => ({
  inputs: {
    x: { shape: [o.n, o.group * o.inputs, ...size] },
    w: { shape: [o.group * o.inputs, o.outputs, ...o.kernel] },
    ...(o.bias && { bias: { shape: [o.group * o.outputs] } }),
  },
  build: (b, v) => b.convTranspose(v.x!, v.w!, v.bias, { ...o, outputPadding }),
}));

const pooling = fc
  .record({
    n: from(1, 2),
    c: from(1, 2),
    kernel: pairs(1, 4),
    stride: pairs(1, 4),
    pad: pairs(0, 3),
    ceil: fc.boolean(),
  })
  // More padding than half a window, which PyTorch refuses, is allowed as long as no window sees padding alone.
  .filter(({ kernel, pad }) => pad.every((p, i) => p < kernel[i]!))
  .chain((o) => {
    const least = o.kernel.map((k, i) => Math.max(1, k - 2 * o.pad[i]!));
    return fc.record({
      options: fc.constant(o),
      size: fc.tuple(from(least[0]!, least[0]! + 6), from(least[1]!, least[1]! + 6)),
    });
  });

const MaxPool = sampled(pooling, ({ options, size }) => ({
  inputs: { x: { shape: [options.n, options.c, ...size], domain: 'apart' } },
  build: (b, v) => b.maxPool(v.x!, options),
}));

const AveragePool = sampled(
  fc.record({ pooling, countPadding: fc.boolean() }),
  ({ pooling: { options, size }, countPadding }) => ({
    inputs: { x: { shape: [options.n, options.c, ...size] } },
    build: (b, v) => b.averagePool(v.x!, { ...options, countPadding }),
  }),
);

const GlobalAveragePool = sampled(fc.tuple(from(1, 3), from(1, 3), from(1, 5), from(1, 5)), (shape) => ({
  inputs: { x: { shape } },
  build: (b, v) => b.op('GlobalAveragePool', [v.x], {}),
}));

export const windowSamples: { readonly [O in OpType]?: fc.Arbitrary<GradientSample> } = {
  Conv,
  ConvTranspose,
  MaxPool,
  AveragePool,
  GlobalAveragePool,
};
