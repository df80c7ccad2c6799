/**
 * @file Where a pixel of one map lies in another: the coordinate algebra that finds crop offsets.
 *
 * Every spatial operator maps a coordinate of its input (bottom) to one of its output (top) by `top = scale * bottom +
 * shift`, measured at the middle of the kernel. Composing and inverting these maps relates any two values that share
 * an ancestor. The algebra is that of Caffe's `coord_map`.
 */

import { PixelwiseError } from '../errors.js';
import { sliceRange } from './counting.js';
import type { Node, NodeOf, OpType, Pads, Pair, Value } from './ir.js';
import { formatShape } from './tensor.js';

/** `top = scale * bottom + shift`, for rows and columns. */
export interface CoordinateMap {
  readonly scale: Pair;
  readonly shift: Pair;
}

/** The node that computes a value; undefined for inputs, parameters and constants. */
export type ProducerOf = (value: Value) => Node | undefined;

/** A map has few factors, each within a rounding of the exact fraction: far closer than any two different fractions. */
const tolerance = 1e-9;

/** The map of everything that works pixel by pixel. */
const identityMap: CoordinateMap = { scale: [1, 1], shift: [0, 0] };

const both = (f: (axis: 0 | 1) => number): Pair => [f(0), f(1)];

/** `outer` after `inner`. */
export function compose(outer: CoordinateMap, inner: CoordinateMap): CoordinateMap {
  return {
    scale: both((i) => outer.scale[i] * inner.scale[i]),
    shift: both((i) => outer.scale[i] * inner.shift[i] + outer.shift[i]),
  };
}

/** The way back: `bottom = (top - shift) / scale`. */
export function invert(map: CoordinateMap): CoordinateMap {
  return { scale: both((i) => 1 / map.scale[i]), shift: both((i) => -map.shift[i] / map.scale[i]) };
}

/** A step from a node's output to one of its inputs. */
interface Step {
  readonly bottom: Value;
  readonly map: CoordinateMap;
}

/** The steps of a node; empty where its output has no place in its input. */
type Rule<O extends OpType> = (node: NodeOf<O>) => readonly Step[];

/** Only the first input is a map of pixels: the others are weights, indices or statistics. */
function first<O extends OpType>(map: (node: NodeOf<O>, bottom: Value) => CoordinateMap | undefined): Rule<O> {
  return (node) => {
    const bottom = node.inputs[0];
    const found = bottom && isPicture(bottom) ? map(node, bottom) : undefined;
    return bottom && found ? [{ bottom, map: found }] : [];
  };
}

const isPicture = (value: Value): boolean => value.shape.length === 4;
const same: Rule<OpType> = first(() => identityMap);
const none: Rule<OpType> = () => [];

/** Every input that is as large as the output; what broadcasts (a factor per channel) has no pixels to map. */
const sameForAll: Rule<OpType> = ({ inputs, outputs }) =>
  inputs.flatMap((bottom) =>
    bottom && isPicture(bottom) && bottom.shape[2] === outputs[0]?.shape[2] && bottom.shape[3] === outputs[0]?.shape[3]
      ? [{ bottom, map: identityMap }]
      : [],
  );

/** From a kernel's middle to the output cell: `(p - (k - 1) d / 2) / s`. Only the begin pads move coordinates. */
function window(kernel: Pair, strides: Pair, pads: Pads, dilations: Pair = [1, 1]): CoordinateMap {
  return {
    scale: both((i) => 1 / strides[i]),
    shift: both((i) => (pads[i] - (dilations[i] * (kernel[i] - 1)) / 2) / strides[i]),
  };
}

function kernelOf(node: NodeOf<'Conv' | 'ConvTranspose'>): Pair {
  const weight = node.inputs[1]?.shape ?? [];
  return [weight[2] ?? 1, weight[3] ?? 1];
}

/** What works along the channels leaves the pixels where they are, as long as the channel axis stays. */
const alongChannels = (kept: boolean, axes: readonly number[]): CoordinateMap | undefined =>
  kept && axes.every((axis) => axis === 1 || axis === -3) ? identityMap : undefined;

const rules: { readonly [O in OpType]: Rule<O> } = {
  Conv: first((n) => window(kernelOf(n), n.attributes.strides, n.attributes.pads, n.attributes.dilations)),
  // A transposed convolution is the way back through the convolution with the same numbers.
  ConvTranspose: first((n) =>
    invert(window(kernelOf(n), n.attributes.strides, n.attributes.pads, n.attributes.dilations)),
  ),
  MaxPool: first((n) => window(n.attributes.kernel_shape, n.attributes.strides, n.attributes.pads)),
  MaxUnpool: first((n) => invert(window(n.attributes.kernel_shape, n.attributes.strides, [0, 0, 0, 0]))),
  AveragePool: first((n) => window(n.attributes.kernel_shape, n.attributes.strides, n.attributes.pads)),
  GlobalAveragePool: none,
  LRN: same,
  BatchNormalization: same,
  Softmax: first((n) => alongChannels(true, [n.attributes.axis])),
  LogSoftmax: first((n) => alongChannels(true, [n.attributes.axis])),
  Relu: same,
  LeakyRelu: same,
  PRelu: same,
  Sigmoid: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Neg: same,
  Abs: same,
  Identity: same,
  Add: sameForAll,
  Sub: sameForAll,
  Mul: sameForAll,
  Div: sameForAll,
  Pow: sameForAll,
  Max: sameForAll,
  Greater: sameForAll,
  Equal: sameForAll,
  Where: sameForAll,
  Cast: same,
  QuantizeLinear: same,
  DequantizeLinear: same,
  Dropout: same,
  Concat: (n) => (alongChannels(true, [n.attributes.axis]) ? sameForAll(n) : []),
  Slice: first((n, bottom) => {
    const scale: [number, number] = [1, 1];
    const shift: [number, number] = [0, 0];
    n.attributes.axes.forEach((given, i) => {
      const axis = given < 0 ? given + 4 : given;
      if (axis !== 2 && axis !== 3) return;
      const step = n.attributes.steps[i] ?? 1;
      const range = sliceRange(bottom.shape[axis] ?? 0, n.attributes.starts[i] ?? 0, n.attributes.ends[i] ?? 0, step);
      scale[axis - 2] = 1 / step;
      shift[axis - 2] = -range.start / step;
    });
    return { scale, shift };
  }),
  Pad: first((n) => ({ scale: [1, 1], shift: [n.attributes.pads[2] ?? 0, n.attributes.pads[3] ?? 0] })),
  Reshape: none,
  Transpose: none,
  Expand: none,
  OneHot: none,
  Gather: none,
  GatherElements: none,
  ScatterElements: none,
  Resize: first((n, bottom) => {
    const corners = n.attributes.coordinate_transformation_mode === 'align_corners' ? 1 : 0;
    const sizes = both((i) => n.attributes.sizes[i + 2] ?? 0);
    const from = both((i) => bottom.shape[i + 2] ?? 0);
    const scale = both((i) => (sizes[i] === from[i] ? 1 : (sizes[i] - corners) / (from[i] - corners)));
    // One pixel stretched over many, or many onto one, by its corners: no scale says where a pixel went.
    if (!scale.every((s) => Number.isFinite(s) && s > 0)) return undefined;
    const half = n.attributes.coordinate_transformation_mode === 'half_pixel';
    return { scale, shift: half ? both((i) => (scale[i] - 1) / 2) : [0, 0] };
  }),
  ReduceSum: first((n) => alongChannels(n.attributes.keepdims === 1, n.attributes.axes)),
  ReduceMean: first((n) => alongChannels(n.attributes.keepdims === 1, n.attributes.axes)),
  ReduceMax: first((n) => alongChannels(n.attributes.keepdims === 1, n.attributes.axes)),
  ArgMax: first((n) => alongChannels(n.attributes.keepdims === 1, [n.attributes.axis])),
  TopK: none,
  MatMul: none,
  Gemm: none,
  SoftmaxCrossEntropyLoss: none,
};

/** `node.op` picks the rule of its own operator, which the index type cannot express. */
const stepsOf = (node: Node): readonly Step[] => (rules[node.op] as Rule<OpType>)(node);

/**
 * Walk from `start` towards the inputs, nearest values first. `visit` receives each value with the map that leads from
 * it to `start`, and ends the walk by returning true.
 *
 * @returns the nodes at which the walk could not go on.
 */
function walk(producerOf: ProducerOf, start: Value, visit: (value: Value, map: CoordinateMap) => boolean): Node[] {
  const blocked: Node[] = [];
  const seen = new Set([start]);
  const queue: [Value, CoordinateMap][] = [[start, identityMap]];
  for (const [value, map] of queue) {
    if (visit(value, map)) break;
    const node = producerOf(value);
    if (!node) continue;
    const steps = stepsOf(node);
    if (steps.length === 0) blocked.push(node);
    for (const step of steps) {
      if (seen.has(step.bottom)) continue;
      seen.add(step.bottom);
      queue.push([step.bottom, compose(map, step.map)]);
    }
  }
  return blocked;
}

const describe = (value: Value): string => `"${value.name}" (${formatShape(value.shape)})`;

/**
 * The map from coordinates of `from` to coordinates of `to`, both [N,C,H,W], through their nearest common ancestor.
 *
 * Where several paths lead to the ancestor the shortest counts: paths that are added up again are taken to agree.
 *
 * @throws ERR_GRAPH where no chain of spatial operators connects the two; the message names the operators in the way.
 */
export function coordinateMap(producerOf: ProducerOf, from: Value, to: Value): CoordinateMap {
  const fromMaps = new Map<Value, CoordinateMap>();
  const blocked = walk(producerOf, from, (value, map) => {
    fromMaps.set(value, map);
    return false;
  });
  let found: CoordinateMap | undefined;
  const blockedToo = walk(producerOf, to, (value, map) => {
    const back = fromMaps.get(value);
    if (back) found = compose(map, invert(back));
    return back !== undefined;
  });
  if (found) return found;
  const nodes = [...new Set([...blocked, ...blockedToo])].map((n) => `${n.op} "${n.name}"`);
  throw new PixelwiseError(
    'ERR_GRAPH',
    `No coordinate map leads from ${describe(from)} to ${describe(to)}. Expected a common ancestor behind spatial ` +
      `operators only, received ${nodes.length > 0 ? `operators without a map: ${nodes.join(', ')}` : 'two unconnected values'}. ` +
      'Crop only between maps that are computed from the same picture.',
    { subject: from.name },
  );
}

/** `19`, or `10.25`: without the dust of floating point. */
const show = (pair: Pair): string => pair.map((x) => Number(x.toFixed(6))).join(', ');

/**
 * The rows and columns to cut from the top and left of `cropped`, so that it lies over `reference`; the crop then has
 * the size of `reference`. It is not a crop of the center. Both values are [N,C,H,W].
 *
 * @throws ERR_GRAPH where the scales differ, where the offset is negative or no whole number, and where `cropped` ends
 *   before the reference does.
 */
export function cropOffset(producerOf: ProducerOf, cropped: Value, reference: Value): [number, number] {
  const { scale, shift } = coordinateMap(producerOf, cropped, reference);
  const refuse = (sentence: string): PixelwiseError =>
    new PixelwiseError('ERR_GRAPH', `Cannot crop ${describe(cropped)} to ${describe(reference)}: ${sentence}`, {
      subject: cropped.name,
    });
  if (!scale.every((s) => Math.abs(s - 1) < tolerance)) {
    throw refuse(
      `their scales differ. Expected one pixel of the one to be one pixel of the other, received a scale of ` +
        `${show(scale)}. Make the strides of the upsampling equal to those of the downsampling between the two.`,
    );
  }
  const offset = both((i) => Math.round(-shift[i]) || 0);
  if (!shift.every((s, i) => Math.abs(s + (offset[i] ?? 0)) < tolerance)) {
    throw refuse(
      `they are not aligned. Expected an offset of whole pixels, received ${show(both((i) => -shift[i]))}. Change a ` +
        'kernel between an even and an odd size, or its padding, so that the halves cancel.',
    );
  }
  if (offset.some((o) => o < 0)) {
    throw refuse(
      `the offset is negative. Expected 0 or more, received ${offset.join(', ')}: the map starts inside the ` +
        'reference. Add padding before the map, or take padding from its upsampling.',
    );
  }
  for (const i of [0, 1] as const) {
    const [has, wants] = [cropped.shape[i + 2] ?? 0, reference.shape[i + 2] ?? 0];
    if (offset[i] + wants > has) {
      throw refuse(
        `it is too small. Expected at least ${offset[i]} + ${wants} ${i === 0 ? 'rows' : 'columns'}, received ${has}. ` +
          'Add padding before the map, or feed a larger picture.',
      );
    }
  }
  return [offset[0], offset[1]];
}
