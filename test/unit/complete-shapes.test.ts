/** @file Shapes that follow in a file of an optimized graph, and those that do not. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { nameOfSides } from '../../src/graph/any-size.js';
import { withShapes } from '../../src/graph/onnx/complete-shapes.js';
import { writeTensor } from '../../src/graph/onnx/tensors.js';
import { valueInfo } from '../../src/graph/onnx/write.js';
import { floats } from '../../src/graph/tensor.js';

type Side = number | string | undefined;

const int = (name: string, i: number) =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(i) });
const ints = (name: string, list: readonly number[]) =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: list.map(BigInt) });

/** The sides of the output of one node, as they are added to a file that states those of its inputs. */
function sidesAfter(
  opType: string,
  inputs: readonly (readonly Side[])[],
  attribute: readonly ReturnType<typeof int>[] = [],
  weight?: readonly number[],
): Side[] | undefined {
  const names = inputs.map((_, i) => `x${i}`);
  const model = create(ModelProtoSchema, {
    graph: {
      input: inputs.map((sides, i) => valueInfo(names[i]!, 'float32', sides)),
      node: [
        create(NodeProtoSchema, {
          opType,
          input: [...names, ...(weight ? ['w'] : [])],
          output: ['y'],
          attribute: [...attribute],
        }),
      ],
      initializer: weight ? [writeTensor('w', floats(weight, new Float32Array(weight.reduce((a, b) => a * b))))] : [],
    },
  });
  const { graph } = fromBinary(ModelProtoSchema, withShapes(toBinary(ModelProtoSchema, model)));
  const type = graph?.valueInfo.find((v) => v.name === 'y')?.type?.value;
  if (type?.case !== 'tensorType') return undefined;
  return type.value.shape?.dim.map(({ value: d }) => (d.case === 'dimValue' ? Number(d.value) : d.value));
}

const [h, w] = [nameOfSides(100, 60), nameOfSides(40, 80)];

describe('shapes of an optimized graph', () => {
  it('follow through windows, at both sizes', () => {
    const plain = [ints('strides', [2, 2]), ints('pads', [1, 1, 1, 1])];
    const half = [nameOfSides(50, 30), nameOfSides(20, 40)];
    expect(sidesAfter('Conv', [[1, 8, h, w]], plain, [24, 8, 3, 3])).toEqual([1, 24, ...half]);
    expect(sidesAfter('MaxPool', [[1, 8, h, w]], [...plain, ints('kernel_shape', [3, 3])])).toEqual([1, 8, ...half]);
    const dilated = [ints('dilations', [4, 4]), ints('pads', [4, 4, 4, 4])];
    expect(sidesAfter('Conv', [[1, 8, h, w]], dilated, [8, 8, 3, 3])).toEqual([1, 8, h, w]);
  });

  it('follow through what keeps or joins maps', () => {
    expect(sidesAfter('Relu', [[1, 8, h, w]])).toEqual([1, 8, h, w]);
    expect(
      sidesAfter('Add', [
        [1, 8, h, w],
        [1, 8, h, w],
      ]),
    ).toEqual([1, 8, h, w]);
    expect(
      sidesAfter(
        'Concat',
        [
          [1, 8, h, w],
          [1, 16, h, w],
        ],
        [int('axis', 1)],
      ),
    ).toEqual([1, 24, h, w]);
    expect(sidesAfter('GlobalAveragePool', [[1, 8, h, w]])).toEqual([1, 8, 1, 1]);
  });

  it('count the channels that blocks have, where that is the same on every processor', () => {
    expect(sidesAfter('ReorderInput', [[1, 32, h, w]])).toEqual([1, 32, h, w]);
    // 24 stay 24 in blocks of 8, and become 32 in blocks of 16.
    expect(sidesAfter('ReorderInput', [[1, 24, h, w]])).toBeUndefined();
    expect(sidesAfter('ReorderOutput', [[1, 24, h, w]], [int('channels', 21)])).toEqual([1, 21, h, w]);
  });

  it('are left out where they do not follow', () => {
    expect(sidesAfter('Unheard', [[1, 8, h, w]])).toBeUndefined();
    expect(
      sidesAfter('Add', [
        [1, 8, h, w],
        [1, 1, 1, 1],
      ]),
    ).toBeUndefined();
    expect(sidesAfter('Relu', [[1, 8, undefined, w]])).toBeUndefined();
    expect(sidesAfter('Relu', [[1, 8, 'height', w]])).toBeUndefined();
    expect(sidesAfter('MaxPool', [[1, 8, h, w]], [ints('kernel_shape', [3, 3]), int('ceil_mode', 1)])).toBeUndefined();
    expect(
      sidesAfter(
        'Concat',
        [
          [1, 8, h, w],
          [1, 8, h, w],
        ],
        [int('axis', 2)],
      ),
    ).toBeUndefined();
  });
});
