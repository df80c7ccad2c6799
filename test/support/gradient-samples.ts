/** @file Random graphs of one operator each, with every form of its attributes, for the check of gradients. */

import fc from 'fast-check';
import type { OpType } from '../../src/graph/ir.js';
import { floats, type Shape, sizeOf, tensor } from '../../src/graph/tensor.js';
import type { Domain, GradientSample } from './finite-differences.js';
import { from, sampled, windowSamples } from './gradient-samples-windows.js';

type Samples = fc.Arbitrary<GradientSample>;

const anyShape = (minRank = 1, maxRank = 4) => fc.array(from(1, 4), { minLength: minRank, maxLength: maxRank });
/** A shape and one of its axes, counted from either end. */
const shapeAndAxis = anyShape().chain((shape) => fc.tuple(fc.constant(shape), from(-shape.length, shape.length - 1)));
const zeroOrOne = fc.constantFrom(0 as const, 1 as const);

const unary = (op: 'Relu' | 'Sigmoid' | 'Exp' | 'Log' | 'Sqrt' | 'Neg' | 'Identity', domain: Domain = 'any'): Samples =>
  sampled(anyShape(0), (shape) => ({ inputs: { x: { shape, domain } }, build: (b, v) => b.op(op, [v.x], {}) }));

/** Shapes that broadcast to a common one: axes may be 1, leading axes may be missing. */
const broadcastable = (count: number): fc.Arbitrary<Shape[]> =>
  anyShape().chain((full) =>
    fc.tuple(
      ...Array.from({ length: count }, () =>
        fc
          .tuple(from(0, full.length), fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }))
          .map(([lead, ones]) => full.map((d, i) => (ones[i] ? 1 : d)).slice(lead)),
      ),
    ),
  );

const binary = (op: 'Add' | 'Sub' | 'Mul' | 'Div', second: Domain = 'any'): Samples =>
  sampled(broadcastable(2), ([x, z]) => ({
    inputs: { x: { shape: x! }, z: { shape: z!, domain: second } },
    build: (b, v) => b.op(op, [v.x, v.z], {}),
  }));

const reduction = (op: 'ReduceSum' | 'ReduceMean'): Samples => {
  const shapeAndAxes = anyShape().chain((shape) => {
    const all = shape.map((_, i) => i);
    return fc.tuple(fc.constant(shape), fc.subarray(all, { minLength: 1 }), fc.boolean(), zeroOrOne);
  });
  return sampled(shapeAndAxes, ([shape, axes, fromEnd, keepdims]) => ({
    inputs: { x: { shape } },
    build: (b, v) => b.op(op, [v.x], { axes: fromEnd ? axes.map((a) => a - shape.length) : axes, keepdims }),
  }));
};

const softmax = (op: 'Softmax' | 'LogSoftmax'): Samples =>
  sampled(shapeAndAxis, ([shape, axis]) => ({
    inputs: { x: { shape, domain: 'wide' } },
    build: (b, v) => b.op(op, [v.x], { axis }),
  }));

/** Number of cells of Python's `range(n)[start:end:step]`, counted one by one. */
function cellsBetween({ n, start, end, step }: { n: number; start: number; end: number; step: number }): number {
  const at = (v: number) => Math.max(step > 0 ? 0 : -1, Math.min(step > 0 ? n : n - 1, v < 0 ? v + n : v));
  let count = 0;
  for (let i = at(start); step > 0 ? i < at(end) : i > at(end); i += step) count++;
  return count;
}

/** A slice of one axis, with starts and ends from before the begin to beyond the end. */
const cut = fc
  .record({
    n: from(1, 5),
    start: from(-7, 7),
    end: from(-8, 8),
    step: fc.constantFrom(1, 2, 3, -1, -2, -3),
    fromEnd: fc.boolean(),
  })
  .filter((c) => cellsBetween(c) > 0);

const normalization = fc
  .record({
    n: from(1, 3),
    c: from(1, 4),
    space: fc.constantFrom([], [4], [3, 4], [5, 2]),
    epsilon: fc.constantFrom(1e-5, 1e-3),
    batchNorm: fc.constantFrom('batch' as const, 'frozen' as const),
  })
  // Few values have a tiny variance now and then, and then the step is a large one.
  .filter(({ n, space, batchNorm }) => batchNorm === 'frozen' || n * sizeOf(space) >= 8);

const labelling = fc
  .record({
    n: from(1, 3),
    classes: from(1, 4),
    space: fc.constantFrom([], [3], [2, 3]),
    reduction: fc.constantFrom('sum' as const, 'mean' as const),
    ignored: fc.constantFrom(255, -1, 0),
    weighted: fc.boolean(),
  })
  .filter(({ classes, ignored }) => ignored !== 0 || classes > 1);

/** `x` with axis `axis` as wide as asked. */
const withAxis = (shape: Shape, axis: number, width: number): Shape =>
  shape.map((d, i) => (i === axis || i === axis + shape.length ? width : d));

export const gradientSamples: { readonly [O in OpType]?: Samples } = {
  ...windowSamples,
  LRN: sampled(
    fc.record({
      shape: fc.tuple(from(1, 2), from(1, 8), from(1, 3), from(1, 3)),
      // ONNX Runtime knows odd sizes only.
      size: fc.constantFrom(1, 3, 5, 7),
      alpha: fc.constantFrom(1e-4, 0.5, 2),
      beta: fc.constantFrom(0.5, 0.75, 1),
      bias: fc.constantFrom(1, 2),
    }),
    ({ shape, ...attributes }) => ({
      inputs: { x: { shape, domain: 'wide' } },
      build: (b, v) => b.op('LRN', [v.x], attributes),
    }),
  ),
  BatchNormalization: sampled(normalization, ({ n, c, space, epsilon, batchNorm }) => ({
    batchNorm,
    inputs: { x: { shape: [n, c, ...space], domain: 'wide' }, scale: { shape: [c] }, bias: { shape: [c] } },
    build: (b, v, random) => {
      const [mean, variance] = [0, 1].map((center) =>
        b.constant(
          floats(
            [c],
            Float32Array.from({ length: c }, () => center + random.uniform(-0.5, 0.5)),
          ),
        ),
      );
      const attributes = { epsilon, momentum: 0.9, training_mode: 0 } as const;
      return b.op('BatchNormalization', [v.x, v.scale, v.bias, mean, variance], attributes);
    },
  })),
  Softmax: softmax('Softmax'),
  LogSoftmax: softmax('LogSoftmax'),
  Relu: unary('Relu', 'apart'),
  LeakyRelu: sampled(fc.tuple(anyShape(), fc.constantFrom(0.01, 0.3)), ([shape, alpha]) => ({
    inputs: { x: { shape, domain: 'apart' } },
    build: (b, v) => b.op('LeakyRelu', [v.x], { alpha }),
  })),
  PRelu: sampled(fc.tuple(from(1, 2), from(1, 4), from(1, 3), from(1, 3), from(0, 3)), ([n, c, h, w, slope]) => ({
    inputs: {
      x: { shape: [n, c, h, w], domain: 'apart' },
      slope: { shape: [[1], [c, 1, 1], [1, c, 1, 1], [c, h, w]][slope]! },
    },
    build: (b, v) => b.op('PRelu', [v.x, v.slope], {}),
  })),
  Sigmoid: unary('Sigmoid'),
  Exp: unary('Exp'),
  Log: unary('Log', 'positive'),
  Sqrt: unary('Sqrt', 'positive'),
  Pow: sampled(fc.tuple(anyShape(0), fc.constantFrom(-1.5, 0.5, 2, 3)), ([shape, exponent]) => ({
    inputs: { x: { shape, domain: 'positive' } },
    build: (b, v) => b.op('Pow', [v.x, b.scalar(exponent)], {}),
  })),
  Neg: unary('Neg'),
  Identity: unary('Identity'),
  Add: binary('Add'),
  Sub: binary('Sub'),
  Mul: binary('Mul'),
  Div: binary('Div', 'nonzero'),
  Where: sampled(broadcastable(3), ([condition, x, z]) => ({
    inputs: { x: { shape: x! }, z: { shape: z! } },
    build: (b, v, random) => {
      const bits = Uint8Array.from({ length: sizeOf(condition!) }, () => random.integer(2));
      return b.op('Where', [b.constant(tensor('bool', condition!, bits)), v.x, v.z], {});
    },
  })),
  Concat: sampled(
    fc.tuple(shapeAndAxis, fc.array(from(1, 3), { minLength: 1, maxLength: 3 })),
    ([[shape, axis], widths]) => ({
      inputs: Object.fromEntries(widths.map((width, i) => [`x${i}`, { shape: withAxis(shape, axis, width) }])),
      build: (b, v) => b.op('Concat', Object.values(v), { axis }),
    }),
  ),
  Slice: sampled(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => ({
    inputs: { x: { shape: cuts.map((c) => c.n) } },
    build: (b, v) =>
      b.op('Slice', [v.x], {
        starts: cuts.map((c) => c.start),
        ends: cuts.map((c) => c.end),
        axes: cuts.map((c, i) => (c.fromEnd ? i - cuts.length : i)),
        steps: cuts.map((c) => c.step),
      }),
  })),
  Pad: sampled(fc.array(fc.tuple(from(1, 3), from(0, 2), from(0, 2)), { minLength: 1, maxLength: 4 }), (axes) => ({
    inputs: { x: { shape: axes.map(([n]) => n) } },
    build: (b, v) =>
      b.op('Pad', [v.x], { pads: [...axes.map(([, begin]) => begin), ...axes.map(([, , end]) => end)], value: 0.5 }),
  })),
  Reshape: sampled(
    fc.tuple(...[0, 1].map(() => fc.constantFrom([24], [2, 12], [4, 3, 2], [1, 24], [2, 1, 3, 4], [2, 2, 2, 3, 1]))),
    ([shape, target]) => ({
      inputs: { x: { shape: shape! } },
      build: (b, v) => b.op('Reshape', [v.x], { shape: target! }),
    }),
  ),
  Transpose: sampled(
    anyShape(1, 5).chain((shape) => {
      const axes = shape.map((_, i) => i);
      return fc.tuple(fc.constant(shape), fc.shuffledSubarray(axes, { minLength: axes.length }));
    }),
    ([shape, perm]) => ({ inputs: { x: { shape } }, build: (b, v) => b.op('Transpose', [v.x], { perm }) }),
  ),
  Expand: sampled(broadcastable(2), ([shape, target]) => ({
    inputs: { x: { shape: shape! } },
    build: (b, v) => b.op('Expand', [v.x], { shape: target! }),
  })),
  Resize: sampled(
    fc.tuple(
      from(1, 2),
      from(1, 2),
      from(1, 6),
      from(1, 6),
      fc.tuple(from(1, 9), from(1, 9)),
      fc.constantFrom('half_pixel' as const, 'align_corners' as const, 'asymmetric' as const),
    ),
    ([n, c, h, w, size, coordinate_transformation_mode]) => ({
      inputs: { x: { shape: [n, c, h, w] } },
      build: (b, v) =>
        b.op('Resize', [v.x], { sizes: [n, c, ...size], mode: 'linear', coordinate_transformation_mode }),
    }),
  ),
  ReduceSum: reduction('ReduceSum'),
  ReduceMean: reduction('ReduceMean'),
  MatMul: sampled(fc.tuple(broadcastable(2), from(1, 4), from(1, 4), from(1, 4)), ([batches, m, k, n]) => ({
    inputs: { x: { shape: [...batches[0]!, m, k] }, z: { shape: [...batches[1]!, k, n] } },
    build: (b, v) => b.op('MatMul', [v.x, v.z], {}),
  })),
  Gemm: sampled(
    fc.record({
      size: fc.tuple(from(1, 4), from(1, 4), from(1, 4)),
      alpha: fc.constantFrom(1, 0.5, -2),
      beta: fc.constantFrom(1, 0.5, -2),
      transA: zeroOrOne,
      transB: zeroOrOne,
      third: from(0, 6),
    }),
    ({ size: [m, k, n], third, ...attributes }) => {
      const c = [undefined, [], [1], [n], [1, n], [m, 1], [m, n]][third];
      return {
        inputs: {
          x: { shape: attributes.transA ? [k, m] : [m, k] },
          z: { shape: attributes.transB ? [n, k] : [k, n] },
          ...(c && { c: { shape: c } }),
        },
        build: (b, v) => b.op('Gemm', [v.x, v.z, v.c], attributes),
      };
    },
  ),
  SoftmaxCrossEntropyLoss: sampled(labelling, ({ n, classes, space, reduction: kind, ignored, weighted }) => ({
    inputs: { x: { shape: [n, classes, ...space], domain: 'wide' } },
    build: (b, v, random) => {
      const shape = [n, ...space];
      const labels = BigInt64Array.from({ length: sizeOf(shape) }, () =>
        BigInt(random.integer(3) ? random.integer(classes) : ignored),
      );
      // The mean over no label at all is not a number.
      labels[0] = BigInt(classes - 1);
      const weights = b.constant(
        floats(
          [classes],
          Array.from({ length: classes }, (_, i) => 0.5 + i),
        ),
      );
      const inputs = [v.x, b.constant(tensor('int64', shape, labels)), ...(weighted ? [weights] : [])];
      const attributes = { ignore_index: ignored, reduction: kind };
      return b.node('SoftmaxCrossEntropyLoss', inputs, attributes, { outputs: 2 })[0]!;
    },
  })),
};
