/**
 * @file Shapes for the maps that ONNX Runtime's optimizer made. Its files of optimized graphs name the sides of every map that it
 * was told of, but not of those that it keeps in blocks of channels. Without them its planner cannot tell which maps are as
 * large as each other, and gives each one memory of its own: a sixth slower.
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema, type NodeProto } from 'onnx-buf';
import { nameOfSides, sidesOfName } from '../any-size.js';
import { windowCount } from '../counting.js';
import { valueInfo } from './write.js';

/** A side at the two sizes that the names of sides hold. */
type Side = readonly [number, number];
type Sides = readonly Side[];

/** Shapes of the weights. */
type Weights = ReadonlyMap<string, readonly number[]>;

const both = (n: number): Side => [n, n];

function ints(node: NodeProto, name: string): readonly number[] | undefined {
  const found = node.attribute.find((a) => a.name === name);
  return found && found.ints.length > 0 ? found.ints.map(Number) : undefined;
}

/** What a window leaves of the height and the width. */
function windowed(
  node: NodeProto,
  sides: Sides,
  channels: Side,
  kernel: readonly number[] | undefined,
): Sides | undefined {
  const isPlain = !node.attribute.some((a) => a.name === 'ceil_mode' && a.i !== 0n);
  if (kernel?.length !== 2 || !isPlain) return undefined;
  const pads = ints(node, 'pads') ?? [0, 0, 0, 0];
  const [strides, dilations] = [ints(node, 'strides') ?? [1, 1], ints(node, 'dilations') ?? [1, 1]];
  const left = [0, 1].map((i) =>
    sides[i + 2]!.map((n) => windowCount(n, kernel[i]!, strides[i]!, dilations[i]!, pads[i]!, pads[i + 2]!)),
  ) as unknown as Side[];
  return [sides[0]!, channels, ...left];
}

const same = (a: Sides | undefined, b: Sides | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.length === b.length &&
  a.every((s, i) => s[0] === b[i]![0] && s[1] === b[i]![1]);

const asFirst = (_: NodeProto, [x]: readonly (Sides | undefined)[]): Sides | undefined => x;
const asAll = (_: NodeProto, all: readonly (Sides | undefined)[]): Sides | undefined =>
  all.every((s) => same(s, all[0])) ? all[0] : undefined;

/** Channels of the largest block of ONNX Runtime's kernels. */
const largestBlock = 16;

type Rule = (node: NodeProto, inputs: readonly (Sides | undefined)[], weights: Weights) => Sides | undefined;

/** Of maps [N, C, H, W]; an operator that is missing leaves its map without a shape, which is only slower. */
const rules: Readonly<Record<string, Rule>> = {
  Conv: (node, [x], weights) => {
    const shape = weights.get(node.input[1] ?? '');
    return x && shape && windowed(node, x, both(shape[0]!), ints(node, 'kernel_shape') ?? shape.slice(2));
  },
  MaxPool: (node, [x]) => x && windowed(node, x, x[1]!, ints(node, 'kernel_shape')),
  AveragePool: (node, [x]) => x && windowed(node, x, x[1]!, ints(node, 'kernel_shape')),
  GlobalAveragePool: (_, [x]) => x && [x[0]!, x[1]!, both(1), both(1)],
  Concat: (node, inputs) => {
    const isOfChannels = node.attribute.some((a) => a.name === 'axis' && a.i === 1n);
    if (!isOfChannels || !inputs.every((s) => s?.length === 4)) return undefined;
    const channels = (inputs as Sides[]).reduce((sum, s) => sum + s[1]![0], 0);
    return inputs[0]!.map((s, axis) => (axis === 1 ? both(channels) : s));
  },
  Relu: asFirst,
  LeakyRelu: asFirst,
  Sigmoid: asFirst,
  PRelu: asFirst,
  BatchNormalization: asFirst,
  // Blocks have 8 or 16 channels, whichever the processor has: other numbers of channels are filled up, one does not know how far.
  ReorderInput: (_, [x]) => (x?.[1] && x[1][0] % largestBlock === 0 ? x : undefined),
  ReorderOutput: (node, [x]) => {
    const channels = node.attribute.find((a) => a.name === 'channels')?.i;
    return x && channels !== undefined ? x.map((s, axis) => (axis === 1 ? both(Number(channels)) : s)) : undefined;
  },
  Add: asAll,
  Mul: asAll,
};

/** The shapes that a file states. */
function stated({ graph }: ModelProto): Map<string, Sides> {
  const found = new Map<string, Sides>();
  for (const info of [...(graph?.input ?? []), ...(graph?.valueInfo ?? [])]) {
    const type = info.type?.value.case === 'tensorType' ? info.type.value.value : undefined;
    const sides = type?.shape?.dim.map(({ value: d }) =>
      d.case === 'dimParam' ? sidesOfName(d.value) : d.case === 'dimValue' ? both(Number(d.value)) : undefined,
    );
    if (sides?.every((s) => s !== undefined)) found.set(info.name, sides as Sides);
  }
  return found;
}

/** The file of an optimized graph, with the shapes of as many of its maps as follow from those that it states. */
export function withShapes(model: Uint8Array): Uint8Array<ArrayBuffer> {
  const proto = fromBinary(ModelProtoSchema, model);
  const { graph } = proto;
  if (!graph) return new Uint8Array(model);
  const sides = stated(proto);
  const weights: Weights = new Map(graph.initializer.map((t) => [t.name, t.dims.map(Number)]));
  for (const node of graph.node) {
    const [output] = node.output;
    if (output === undefined || sides.has(output)) continue;
    const found = rules[node.opType]?.(
      node,
      node.input.map((name) => sides.get(name)),
      weights,
    );
    if (found?.length !== 4) continue;
    sides.set(output, found);
    graph.valueInfo.push(
      valueInfo(
        output,
        'float32',
        found.map(([first, second]) => nameOfSides(first, second)),
      ),
    );
  }
  return toBinary(ModelProtoSchema, proto);
}
