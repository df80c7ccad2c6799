import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  AttributeProto_AttributeType as Attribute,
  type AttributeProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  TensorProto_DataType as Type,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, OpType, Value } from '../../src/graph/ir.js';
import { type ReadModel, readOnnx, writeOnnx } from '../../src/graph/onnx/index.js';
import { floats, tensor } from '../../src/graph/tensor.js';
import { sampleGraph, sampleOps, sampleWeights } from '../support/onnx-samples.js';

/** Equal in structure, and every value one object wherever it is used. */
function expectSameGraph(read: Graph, written: Graph): void {
  expect(read).toEqual(written);
  const all = new Map<string, Value>();
  const once = (v: Value | undefined) => {
    if (!v) return;
    expect(all.get(v.name) ?? v).toBe(v);
    all.set(v.name, v);
  };
  read.inputs.forEach(once);
  for (const { value } of [...read.parameters, ...read.constants, ...read.outputs]) once(value);
  for (const node of read.nodes) [...node.inputs, ...node.outputs].forEach(once);
}

function refusal(f: () => unknown): PixelwiseError {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(PixelwiseError);
    return error as PixelwiseError;
  }
  throw new Error('nothing was refused');
}

describe('a written graph reads back as it was', () => {
  it.each(sampleOps)('%s', (op) => {
    const graph = sampleGraph(op);
    const weights = sampleWeights(graph);
    const inside = readOnnx(writeOnnx(graph, { weights }).model);
    expectSameGraph(inside.graph, graph);
    expect(inside.weights).toEqual(weights);
    const fed = readOnnx(writeOnnx(graph).model);
    expectSameGraph(fed.graph, graph);
    expect(fed.weights.size).toBe(0);
  });

  it('with weights beside the file, which are views and no copies', () => {
    const b = new GraphBuilder('external');
    const x = b.input('x', 'float32', [1, 3, 8, 8]);
    const large = b.parameter('large', [16, 3, 3, 3]);
    const window = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 } as const;
    b.output('y', b.op('Conv', [x, large, b.parameter('small', [16])], window));
    const graph = b.finish();
    const weights = sampleWeights(graph);
    const { model, externalData } = writeOnnx(graph, { weights, external: true });
    expect(externalData).toHaveLength(1);
    expect(externalData[0]?.data.buffer).toBe(weights.get('large')?.data.buffer);
    const read = readOnnx(model, { external: externalData });
    expectSameGraph(read.graph, graph);
    expect(read.weights).toEqual(weights);
    expect(read.weights.get('large')?.data.buffer).toBe(weights.get('large')?.data.buffer);
    const missing = refusal(() => readOnnx(model));
    expect(missing).toMatchObject({ code: 'ERR_FILE', subject: externalData[0]?.path });
    const cut = [{ path: externalData[0]!.path, data: externalData[0]!.data.subarray(4) }];
    expect(refusal(() => readOnnx(model, { external: cut })).code).toBe('ERR_FORMAT');
  });

  it('with constants and parameters that nothing uses, of every element type', () => {
    const b = new GraphBuilder('unused');
    const x = b.input('x', 'float32', [2]);
    b.parameter('unused.weight', [3], { init: { kind: 'uniform', bound: 0.5 }, rate: 2, decay: 0 });
    b.constant(tensor('int64', [2], BigInt64Array.of(-1n, 2n ** 60n)), 'int64');
    b.constant(tensor('float16', [1], Uint16Array.of(0x3c00)), 'float16');
    b.constant(tensor('bfloat16', [1], Uint16Array.of(0x3f80)), 'bfloat16');
    b.constant(tensor('bool', [3], Uint8Array.of(0, 1, 1)), 'bool');
    b.constant(tensor('float64', [], Float64Array.of(Math.PI)), 'float64');
    b.constant(tensor('int32', [0], Int32Array.of()), 'empty');
    b.constant(tensor('int16', [3], Int16Array.of(1, -2, 3)), 'int16');
    b.constant(tensor('int8', [3], Int8Array.of(1, -2, 3)), 'int8');
    b.constant(tensor('uint8', [5], Uint8Array.of(1, 2, 3, 4, 255)), 'uint8');
    b.output('y', b.relu(x));
    const graph = b.finish();
    expectSameGraph(readOnnx(writeOnnx(graph).model).graph, graph);
  });

  it('with outputs that share a value, pass an input on, or take the name of another value', () => {
    const b = new GraphBuilder('outputs');
    const x = b.input('x', 'float32', [2]);
    const score = b.op('Relu', [x], {}, 'score');
    const table = b.constant(floats([2], [1, 2]), 'table');
    const sum = b.add(score, table, 'sum');
    b.output('sum', sum);
    b.output('again', sum);
    b.output('score', sum); // while "score" is another value
    b.output('table', b.op('Identity', [score], {}, 'table_1')); // while "table" is a constant
    b.output('passed on', x);
    const graph = b.finish();
    const { model } = writeOnnx(graph);
    expectSameGraph(readOnnx(model).graph, graph);
    const file = fromBinary(ModelProtoSchema, model).graph!;
    expect(file.output.map((o) => o.name)).toEqual(['sum', 'again', 'score', 'table', 'passed on']);
    const names = [...file.node.flatMap((n) => n.output), ...file.initializer.map((t) => t.name), 'x'];
    expect(new Set(names).size).toBe(names.length);
  });

  it('with notes', () => {
    const graph = sampleGraph('Relu');
    const metadata = Object.fromEntries([
      ['classes', 'background,person'],
      ['__proto__', 'x'],
    ]);
    expect(readOnnx(writeOnnx(graph, { metadata }).model).metadata).toEqual(metadata);
    expect(refusal(() => writeOnnx(graph, { metadata: { 'pixelwise.graph': '' } })).code).toBe('ERR_USAGE');
  });

  it('shares the constants that spell out attributes', () => {
    const b = new GraphBuilder('shared');
    const x = b.input('x', 'float32', [4, 4]);
    for (let i = 0; i < 5; i++) b.output(`y${i}`, b.op('Reshape', [x], { shape: [2, 8] }));
    expect(fromBinary(ModelProtoSchema, writeOnnx(b.finish()).model).graph?.initializer).toHaveLength(1);
  });
});

it('reads files at any address, as arrays and as buffers', () => {
  const graph = sampleGraph('Conv');
  const weights = sampleWeights(graph);
  const { model } = writeOnnx(graph, { weights });
  for (let offset = 0; offset < 8; offset++) {
    const space = new Uint8Array(offset + model.length);
    space.set(model, offset);
    expect(readOnnx(space.subarray(offset)).weights).toEqual(weights);
    expect(readOnnx(Buffer.from(space.buffer, offset)).weights).toEqual(weights);
  }
});

describe('any graph', () => {
  /** One step each: from a value [1, 4, h, w] to another. */
  type Step = (b: GraphBuilder, x: Value, i: number) => Value;
  const small = fc.integer({ min: 1, max: 3 });
  const anyFloat = fc.integer({ min: -9999, max: 9999 }).map((n) => n / 1000);
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ k: small, s: small, p: fc.nat(2), d: small, bias: fc.boolean(), name: fc.boolean() }).map(
      ({ k, s, p, d, bias, name }): Step =>
        (b, x, i) => {
          const w = b.parameter(`layer${i}.weight`, [4, 4, k, k], { rate: s, trainable: bias });
          const o = {
            stride: s,
            pad: [p + d * k, p + d * k] as const,
            dilation: d,
            ...(name ? { name: `layer${i}` } : {}),
          };
          return b.conv(x, w, bias ? b.parameter(`layer${i}.bias`, [4]) : undefined, o);
        },
    ),
    fc.record({ kernel: small, ceil: fc.boolean() }).map(
      ({ kernel, ceil }): Step =>
        (b, x) =>
          b.maxPool(x, { kernel, ceil, pad: kernel > 1 ? 1 : 0, stride: 1 }),
    ),
    anyFloat.map(
      (alpha): Step =>
        (b, x) =>
          b.op('LeakyRelu', [x], { alpha }),
    ),
    anyFloat.map(
      (value): Step =>
        (b, x) =>
          b.add(x, b.scalar(value)),
    ),
    anyFloat.map(
      (value): Step =>
        (b, x) =>
          b.op('Pad', [x], { pads: [0, 0, 1, 0, 0, 0, 0, 2], value }),
    ),
    fc.constant<Step>((b, x) => b.slice(b.concat([x, x], 1), [1], [2], [6])),
    fc.constant<Step>((b, x) => b.resize(x, [x.shape[2]! * 2, x.shape[3]! + 1], true)),
    fc.constant<Step>((b, x) => b.op('Identity', [x], {})),
    fc.constant<Step>((b, x) => b.transpose(b.transpose(x, [0, 1, 3, 2]), [0, 1, 3, 2])),
  );
  const outputName = fc.oneof(
    fc.constantFrom('y', 'layer1', 'layer2', 'Relu_1', 'output y', 'attribute 0'),
    fc.string({ minLength: 1 }),
  );

  it('survives writing and reading, twice', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 8 }),
        fc.uniqueArray(outputName, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(7), { minLength: 4, maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (steps, outputs, picks, weighted, external) => {
          const b = new GraphBuilder('any');
          const values = [b.input('\u0000x', 'float32', [1, 4, 6, 5])];
          for (const [i, apply] of steps.entries()) values.push(apply(b, values.at(-1)!, i));
          for (const [i, name] of outputs.entries()) b.output(name, values[picks[i]! % values.length]!);
          const graph = b.finish();
          const weights = weighted ? sampleWeights(graph) : new Map();
          const first = writeOnnx(graph, { weights, external });
          const read = readOnnx(first.model, { external: first.externalData });
          expectSameGraph(read.graph, graph);
          expect(read.weights).toEqual(weights);
          const second = writeOnnx(read.graph, { weights: read.weights, external });
          expect(Buffer.compare(second.model, first.model)).toBe(0);
        },
      ),
    );
  });
});

describe('graphs that cannot be written', () => {
  const x: Value = { name: 'x', dtype: 'float32', shape: [1, 4] };
  const y: Value = { name: 'y', dtype: 'float32', shape: [1, 4] };
  const empty: Graph = { name: 'g', inputs: [x], parameters: [], constants: [], nodes: [], outputs: [] };
  const relu = (input: Value, output: Value) =>
    ({ op: 'Relu', name: 'relu', inputs: [input], outputs: [output], attributes: {} }) as const;
  const cases: [string, Graph, string][] = [
    [
      'a value used before it exists',
      { ...empty, nodes: [relu(y, { ...y })] },
      '"y" to be computed before Relu "relu"',
    ],
    ['two values of one name', { ...empty, nodes: [relu(x, { ...x })] }, 'one value named "x"'],
    ['a value made twice', { ...empty, nodes: [relu(x, y), relu(x, y)] }, '"y" once'],
    ['an unnamed value', { ...empty, nodes: [relu(x, { ...y, name: '' })] }, 'values with names'],
    ['an output that is not computed', { ...empty, outputs: [{ name: 'z', value: y }] }, 'output "z"'],
    [
      'two outputs of one name',
      {
        ...empty,
        outputs: [
          { name: 'z', value: x },
          { name: 'z', value: x },
        ],
      },
      'one output named',
    ],
    ['an output named as another input', { ...empty, nodes: [relu(x, y)], outputs: [{ name: 'x', value: y }] }, '"x"'],
    [
      'too few inputs',
      { ...empty, nodes: [{ op: 'Add', name: 'a', inputs: [x], outputs: [y], attributes: {} }] },
      '2 inputs of Add',
    ],
  ];
  it.each(cases)('%s', (_, graph, message) => {
    const error = refusal(() => writeOnnx(graph));
    expect(error.code).toBe('ERR_GRAPH');
    expect(error.message).toContain(message);
  });

  it('weights of another shape or type', () => {
    const graph = sampleGraph('MatMul');
    for (const wrong of [floats([5, 9], new Float32Array(45)), tensor('float16', [9, 5], new Uint16Array(45))]) {
      const error = refusal(() => writeOnnx(graph, { weights: new Map([['w', wrong]]) }));
      expect(error).toMatchObject({ code: 'ERR_WEIGHTS', subject: 'w' });
      expect(error.message).toContain('Expected float32 9x5');
    }
  });
});

/** A model as another exporter writes it. */
interface Foreign {
  nodes: MessageInitShape<typeof NodeProtoSchema>[];
  initializers?: MessageInitShape<typeof TensorProtoSchema>[];
  input?: (number | string)[];
  opset?: number;
  outputs?: string[];
}

function foreign({ nodes, initializers = [], input = [1, 4, 8, 8], opset = 13, outputs = ['y'] }: Foreign): Uint8Array {
  const dim = input.map((d) => ({
    value:
      typeof d === 'number' ? { case: 'dimValue' as const, value: BigInt(d) } : { case: 'dimParam' as const, value: d },
  }));
  const type = (shape?: { dim: typeof dim }) => ({
    value: { case: 'tensorType' as const, value: { elemType: Type.FLOAT, ...(shape ? { shape } : {}) } },
  });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: {
      name: 'foreign',
      input: [{ name: 'x', type: type({ dim }) }],
      output: outputs.map((name) => ({ name, type: type() })),
      node: nodes,
      initializer: initializers,
    },
  });
  return toBinary(ModelProtoSchema, model);
}

type Attributes = MessageInitShape<typeof AttributeProtoSchema>[];
const i = (name: string, value: number) => ({ name, type: Attribute.INT, i: BigInt(value) });
const ints = (name: string, ...values: (number | bigint)[]) => ({
  name,
  type: Attribute.INTS,
  ints: values.map(BigInt),
});
const s = (name: string, value: string) => ({
  name,
  type: Attribute.STRING,
  s: Buffer.from(value) as Uint8Array<ArrayBuffer>,
});
const node = (opType: string, input: string[], output: string[], attribute: Attributes = [], domain = '') => ({
  opType,
  input,
  output,
  attribute,
  domain,
});
const int64s = (name: string, ...values: (number | bigint)[]) => ({
  name,
  dims: [BigInt(values.length)],
  dataType: Type.INT64,
  int64Data: values.map(BigInt),
});
const zeros32 = (name: string, ...dims: number[]) => ({
  name,
  dims: dims.map(BigInt),
  dataType: Type.FLOAT,
  floatData: Array.from({ length: dims.reduce((a, d) => a * d, 1) }, () => 0),
});

/** The only node of a foreign model of one node. */
function readNode(opType: string, attributes: Attributes, more: Partial<Foreign> & { inputs?: string[] } = {}) {
  const { graph } = readOnnx(foreign({ nodes: [node(opType, more.inputs ?? ['x'], ['y'], attributes)], ...more }));
  expect(graph.nodes).toHaveLength(1);
  const [only] = graph.nodes;
  return {
    op: only?.op,
    attributes: only?.attributes,
    shape: only?.outputs[0]?.shape,
    inputs: only?.inputs.map((v) => v?.name),
  };
}

describe('foreign models', () => {
  it('weights become parameters, statistics fixed ones, the rest constants', () => {
    const { graph, weights } = readOnnx(
      foreign({
        nodes: [
          node('Conv', ['x', 'w', 'b'], ['c']),
          node('BatchNormalization', ['c', 'scale', 'shift', 'mean', 'var'], ['n']),
          node('Add', ['n', 'offset'], ['y']),
        ],
        initializers: [
          zeros32('w', 6, 4, 3, 3),
          zeros32('b', 6),
          zeros32('offset', 6, 1, 1),
          ...['scale', 'shift', 'mean', 'var'].map((name) => zeros32(name, 6)),
        ],
      }),
    );
    expect(graph.parameters.map((p) => [p.value.name, p.trainable])).toEqual([
      ['w', true],
      ['b', true],
      ['scale', true],
      ['shift', true],
      ['mean', false],
      ['var', false],
    ]);
    expect([...weights.keys()]).toEqual(['w', 'b', 'scale', 'shift', 'mean', 'var']);
    expect(graph.constants.map((c) => c.value.name)).toEqual(['offset']);
    expect(graph.nodes[0]?.attributes).toEqual({ strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 });
    expect(graph.nodes[1]?.attributes).toEqual({ epsilon: 1e-5, momentum: 0.9, training_mode: 0 });
    expect(graph.nodes.map((n) => n.name)).toEqual(['c', 'n', 'y']);
    expectSameGraph(readOnnx(writeOnnx(graph, { weights }).model).graph, graph);
  });

  it('Constant nodes and Identities of initializers are looked through', () => {
    const { graph } = readOnnx(
      foreign({
        nodes: [
          node('Identity', ['w'], ['shared']),
          node('Constant', [], ['shape'], [ints('value_ints', 0, -1)]),
          node('Conv', ['x', 'w'], ['a']),
          node('Conv', ['x', 'shared'], ['b']),
          node('Add', ['a', 'b'], ['c']),
          node('Reshape', ['c', 'shape'], ['y']),
        ],
        initializers: [zeros32('w', 2, 4, 1, 1)],
      }),
    );
    expect(graph.nodes.map((n) => n.op)).toEqual(['Conv', 'Conv', 'Add', 'Reshape']);
    expect(graph.nodes[0]?.inputs[1]).toBe(graph.nodes[1]?.inputs[1]);
    expect(graph.nodes[3]?.attributes).toEqual({ shape: [1, 128] });
    expect(graph.constants).toEqual([]);
  });

  it('Flatten, Squeeze, Unsqueeze become Reshape, Sum becomes Add', () => {
    expect(readNode('Flatten', [])).toMatchObject({ op: 'Reshape', attributes: { shape: [1, 256] } });
    expect(readNode('Flatten', [i('axis', -1)])).toMatchObject({ attributes: { shape: [32, 8] } });
    expect(readNode('Flatten', [i('axis', 4)])).toMatchObject({ attributes: { shape: [256, 1] } });
    expect(readNode('Squeeze', [])).toMatchObject({ op: 'Reshape', attributes: { shape: [4, 8, 8] } });
    const axes = (...a: number[]) => ({ inputs: ['x', 'axes'], initializers: [int64s('axes', ...a)] });
    expect(readNode('Squeeze', [], axes(0))).toMatchObject({ attributes: { shape: [4, 8, 8] }, inputs: ['x'] });
    expect(readNode('Unsqueeze', [], axes(0, -1))).toMatchObject({ attributes: { shape: [1, 1, 4, 8, 8, 1] } });
    expect(readNode('Unsqueeze', [ints('axes', 2)], { opset: 11 })).toMatchObject({
      attributes: { shape: [1, 4, 1, 8, 8] },
    });
    expect(readNode('Sum', [], { inputs: ['x', 'x'] })).toMatchObject({ op: 'Add', inputs: ['x', 'x'] });
    expect(() => readNode('Sum', [], { inputs: ['x', 'x', 'x'] })).toThrow('chain of Add');
  });

  it('axes are read from attributes and from inputs', () => {
    const input = { inputs: ['x', 'axes'], initializers: [int64s('axes', 2, 3)] };
    for (const op of ['ReduceSum', 'ReduceMean', 'ReduceMax'] as const) {
      expect(readNode(op, [ints('axes', 2, 3)], { opset: 11 })).toMatchObject({
        attributes: { axes: [2, 3], keepdims: 1 },
      });
      expect(readNode(op, [i('keepdims', 0)], { ...input, opset: 18 })).toMatchObject({ shape: [1, 4] });
      expect(readNode(op, [])).toMatchObject({ attributes: { axes: [0, 1, 2, 3] } });
    }
  });

  it('slices to the end, with axes and steps left out', () => {
    const max = 2n ** 63n - 1n;
    const initializers = [int64s('starts', 0, 0, 2, -3), int64s('ends', max, max, max, max)];
    const read = readNode('Slice', [], { inputs: ['x', 'starts', 'ends'], initializers });
    expect(read.shape).toEqual([1, 4, 6, 3]);
    expect(read.attributes).toMatchObject({ axes: [0, 1, 2, 3], steps: [1, 1, 1, 1] });
  });

  it('auto_pad and ceil_mode become pads', () => {
    const weight = { inputs: ['x', 'w'], initializers: [zeros32('w', 4, 4, 3, 2)], input: [1, 4, 9, 8] };
    const conv = (mode: string, stride: number) =>
      readNode('Conv', [s('auto_pad', mode), ints('strides', stride, stride)], weight);
    expect(conv('VALID', 1).shape).toEqual([1, 4, 7, 7]);
    expect(conv('SAME_UPPER', 1)).toMatchObject({ attributes: { pads: [1, 0, 1, 1] }, shape: [1, 4, 9, 8] });
    expect(conv('SAME_LOWER', 1)).toMatchObject({ attributes: { pads: [1, 1, 1, 0] }, shape: [1, 4, 9, 8] });
    expect(conv('SAME_UPPER', 2)).toMatchObject({ attributes: { pads: [1, 0, 1, 0] }, shape: [1, 4, 5, 4] });
    expect(() => conv('MOST', 2)).toThrow('NOTSET or VALID or SAME_UPPER or SAME_LOWER');
    const pool = (...more: Attributes) => [
      ints('kernel_shape', 3, 3),
      ints('strides', 2, 2),
      i('ceil_mode', 1),
      ...more,
    ];
    expect(readNode('MaxPool', pool())).toMatchObject({ attributes: { pads: [0, 0, 1, 1] }, shape: [1, 4, 4, 4] });
    // The last window would start in the padding: it is dropped.
    const wide = [ints('kernel_shape', 2, 2), ints('strides', 2, 2), ints('pads', 1, 1, 1, 1), i('ceil_mode', 1)];
    expect(readNode('MaxPool', wide, { input: [1, 4, 7, 7] })).toMatchObject({ shape: [1, 4, 4, 4] });
    expect(readNode('AveragePool', pool())).toMatchObject({ attributes: { pads: [0, 0, 1, 1], count_include_pad: 0 } });
    expect(() => readNode('AveragePool', pool(i('count_include_pad', 1)))).toThrow('ceil_mode');
  });

  it('resizes by scales and by sizes', () => {
    const scaled = (...scales: number[]) => ({
      inputs: ['x', '', 'scales'],
      initializers: [{ name: 'scales', dims: [4n], dataType: Type.FLOAT, floatData: scales }],
    });
    const linear = s('mode', 'linear');
    const torch = s('coordinate_transformation_mode', 'pytorch_half_pixel');
    expect(readNode('Resize', [linear, torch], scaled(1, 1, 8, 8))).toMatchObject({
      attributes: { sizes: [1, 4, 64, 64], mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
    });
    expect(() => readNode('Resize', [linear], scaled(1, 1, 1.3, 1.3))).toThrow('scales that give whole sizes');
    const sized = {
      inputs: ['x', 'none', 'none', 'sizes'],
      initializers: [int64s('sizes', 1, 4, 16, 16), zeros32('none', 0)],
    };
    expect(readNode('Resize', [linear], sized)).toMatchObject({ shape: [1, 4, 16, 16] });
    const asymmetric = s('coordinate_transformation_mode', 'asymmetric');
    expect(readNode('Resize', [asymmetric, s('nearest_mode', 'floor')], sized).op).toBe('Resize');
    expect(() => readNode('Resize', [asymmetric], sized)).toThrow('nearest_mode floor');
    expect(() => readNode('Resize', [s('mode', 'cubic')], sized)).toThrow('linear or nearest');
  });

  it('arithmetic on shapes becomes constants', () => {
    const { graph } = readOnnx(
      foreign({
        nodes: [
          node('Relu', ['x'], ['r']),
          node('Shape', ['r'], ['shape']),
          node('Slice', ['shape', 'two', 'far', 'zero'], ['picture']),
          node('Mul', ['picture', 'scalar'], ['larger']),
          node('Gather', ['shape', 'none'], ['n']),
          node('Unsqueeze', ['n', 'zero'], ['n1']),
          node('Cast', ['n1'], ['n2'], [i('to', Type.INT64)]),
          node('Concat', ['n2', 'four', 'larger'], ['sizes'], [i('axis', 0)]),
          node('Resize', ['r', '', '', 'sizes'], ['y'], [s('mode', 'linear')]),
        ],
        initializers: [
          int64s('two', 2),
          int64s('far', 2n ** 63n - 1n),
          int64s('zero', 0),
          int64s('four', 4),
          { name: 'scalar', dims: [], dataType: Type.INT64, int64Data: [2n] },
          { name: 'none', dims: [], dataType: Type.INT64, int64Data: [0n] },
        ],
      }),
    );
    expect(graph.nodes.map((n) => n.op)).toEqual(['Relu', 'Resize']);
    expect(graph.nodes[1]?.attributes).toMatchObject({ sizes: [1, 4, 16, 16] });
    expect(graph.constants).toEqual([]);
    const gather = { inputs: ['x', 'which'], initializers: [int64s('which', 0)] };
    expect(readNode('Gather', [i('axis', 1)], gather)).toMatchObject({ op: 'Gather', attributes: { axis: 1 } });
  });

  it('softmax of old opsets only over the last axis that counts', () => {
    expect(readNode('Softmax', [i('axis', 3)], { opset: 11 })).toMatchObject({ attributes: { axis: 3 } });
    expect(readNode('Softmax', [], { opset: 11, input: [1, 4, 1, 1] })).toMatchObject({ attributes: { axis: 1 } });
    expect(() => readNode('Softmax', [], { opset: 11 })).toThrow('opset 13');
    expect(readNode('Softmax', [])).toMatchObject({ attributes: { axis: -1 } });
  });

  it('Dropout for inference only, its mask unused', () => {
    const flag = (on: number) => [
      zeros32('ratio'),
      { name: 'training', dims: [], dataType: Type.BOOL, int32Data: [on] },
    ];
    const inputs = ['x', 'ratio', 'training'];
    expect(readNode('Dropout', [], { inputs, initializers: flag(0) })).toMatchObject({ attributes: { ratio: 0 } });
    expect(() => readNode('Dropout', [], { inputs, initializers: flag(1) })).toThrow('false as input 2');
    expect(readNode('Dropout', [], { inputs: ['x'] })).toMatchObject({ attributes: { ratio: 0.5 } });
    const masked = [node('Dropout', ['x'], ['y', 'mask'])];
    expect(readOnnx(foreign({ nodes: masked })).graph.nodes[0]?.outputs).toHaveLength(1);
    expect(() => readOnnx(foreign({ nodes: masked, outputs: ['mask'] }))).toThrow('"mask" of Dropout');
  });

  it('OneHot of zeros and ones only', () => {
    const values = (off: number, on: number) => ({
      inputs: ['x', 'depth', 'values'],
      initializers: [
        { name: 'depth', dims: [], dataType: Type.INT64, int64Data: [5n] },
        { name: 'values', dims: [2n], dataType: Type.FLOAT, floatData: [off, on] },
      ],
    });
    expect(readNode('OneHot', [], values(0, 1))).toMatchObject({ shape: [1, 4, 8, 8, 5] });
    expect(() => readNode('OneHot', [], values(-1, 1))).toThrow('constant 0, 1');
  });

  it('symbolic dimensions need sizes', () => {
    const bytes = foreign({ nodes: [node('Relu', ['x'], ['y'])], input: ['batch', 3, 'h', 'w'] });
    const error = refusal(() => readOnnx(bytes, { dims: { batch: 1 } }));
    expect(error).toMatchObject({ code: 'ERR_GRAPH', subject: 'x' });
    expect(error.message).toContain("dims: { 'h': 1 }");
    const { graph } = readOnnx(bytes, { dims: { batch: 2, 'x.2': 5, w: 7 } });
    expect(graph.inputs[0]?.shape).toEqual([2, 3, 5, 7]);
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(refusal(() => readOnnx(bytes, { dims: { batch: bad, h: 1, w: 1 } })).message).toContain('"batch"');
    }
  });

  it('unknown operators are named, all at once', () => {
    const nodes = [
      node('Clip', ['x'], ['a']),
      node('NonMaxSuppression', ['a'], ['b']),
      node('Gelu', ['b'], ['c'], [], 'com.microsoft'),
      node('toString', ['c'], ['y']),
    ];
    const error = refusal(() => readOnnx(foreign({ nodes })));
    expect(error.code).toBe('ERR_GRAPH');
    expect(error.message).toContain('Clip, NonMaxSuppression, com.microsoft.Gelu, toString');
  });

  it('attributes that change the meaning are refused, never dropped', () => {
    const kernel = ints('kernel_shape', 2, 2);
    const cases: [OpType, Attributes, string][] = [
      ['MaxPool', [kernel, ints('dilations', 2, 2)], 'Expected 1,1 for "dilations", received 2,2'],
      ['MaxPool', [kernel, i('storage_order', 1)], 'storage_order'],
      ['MaxPool', [ints('kernel_shape', 2)], '2 whole numbers'],
      ['MaxPool', [ints('kernel_shape', 0, 1)], 'from 1'],
      ['MaxPool', [], 'received nothing'],
      ['MaxPool', [kernel, kernel], 'different names'],
      ['Relu', [i('alpha', 1)], 'no attribute "alpha"'],
      ['Relu', [i('constructor', 1)], 'no attribute "constructor"'],
      ['ArgMax', [i('select_last_index', 1)], 'select_last_index'],
      ['Transpose', [ints('perm', 0, 0, 1, 2)], 'every axis of 4 once'],
      ['Cast', [i('to', Type.STRING)], 'STRING'],
    ];
    for (const [op, attributes, message] of cases) {
      expect(refusal(() => readNode(op, attributes)).message).toContain(message);
    }
  });

  it('refuses opsets whose operators it does not know', () => {
    for (const opset of [1, 10, 23, 2 ** 40]) {
      expect(() => readNode('Relu', [], { opset })).toThrow('opset 11 to 22');
    }
  });
});

describe('hostile files', () => {
  const good = (() => {
    const graph = sampleGraph('Conv');
    return writeOnnx(graph, { weights: sampleWeights(graph) }).model;
  })();
  /** Refused with an error of ours, or read as a graph that is fit to be written. */
  const survives = (bytes: Uint8Array) => {
    let read: ReadModel;
    let written: Uint8Array;
    try {
      read = readOnnx(bytes);
      written = writeOnnx(read.graph, { weights: read.weights }).model;
    } catch (error) {
      if (!(error instanceof PixelwiseError) || error.code === 'ERR_INTERNAL') throw error;
      // What reads is a graph: all that may still be wrong with it is a constant of another type.
      expect(error.message).not.toContain('cannot be written as ONNX');
      return;
    }
    expectSameGraph(readOnnx(written).graph, read.graph);
  };
  /** The good model with something broken. */
  const broken = (change: (model: ModelProto) => void): PixelwiseError => {
    const model = fromBinary(ModelProtoSchema, good);
    change(model);
    return refusal(() => readOnnx(toBinary(ModelProtoSchema, model)));
  };

  it('every truncation is refused or read, never worse', () => {
    for (let n = 0; n < good.length; n += n < 300 || n > good.length - 300 ? 1 : 97) survives(good.subarray(0, n));
    expect(refusal(() => readOnnx(new Uint8Array(0))).code).toBe('ERR_FORMAT');
    expect(refusal(() => readOnnx(good.subarray(0, 50))).code).toBe('ERR_FORMAT');
  });

  it('garbage is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => survives(bytes)),
      { numRuns: 300 },
    );
    expect(refusal(() => readOnnx(new TextEncoder().encode('\u0089PNG\r\n not a model'))).code).toBe('ERR_FORMAT');
  });

  it('flipped bytes are refused or read, never worse', () => {
    const files = sampleOps.map((op) => writeOnnx(sampleGraph(op)).model);
    const flip = fc.record({
      file: fc.nat(files.length - 1),
      at: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
    });
    fc.assert(
      fc.property(flip, ({ file, at }) => {
        const bytes = files[file]!.slice();
        for (const [where, value] of at) bytes[where % bytes.length] = value;
        survives(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('changed numbers in nodes and tensors are refused or read, never worse', () => {
    const files = sampleOps.map((op) => {
      const graph = sampleGraph(op);
      return writeOnnx(graph, { weights: sampleWeights(graph) }).model;
    });
    const number = fc.constantFrom(0n, -1n, 1n, 2n, 3n, 2n ** 31n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n);
    const change = fc.record({ file: fc.nat(files.length - 1), at: fc.nat(), what: fc.nat(5), value: number });
    fc.assert(
      fc.property(change, ({ file, at, what, value }) => {
        const model = fromBinary(ModelProtoSchema, files[file]!);
        const graph = model.graph!;
        const attributes = graph.node.flatMap((n) => n.attribute);
        const attribute = attributes[at % Math.max(1, attributes.length)];
        const stored = graph.initializer[at % Math.max(1, graph.initializer.length)];
        const changed = graph.node[at % graph.node.length]!;
        if (what === 0 && attribute) attribute.i = value;
        if (what === 0 && attribute) attribute.ints = attribute.ints.map(() => value);
        if (what === 1 && attribute) attribute.ints = attribute.ints.slice(1);
        if (what === 2 && stored) stored.dims = stored.dims.map(() => value);
        if (what === 3 && stored?.dataType === Type.INT64) {
          stored.rawData = new Uint8Array(
            BigInt64Array.from({ length: stored.rawData.length / 8 }, () => value).buffer,
          );
        }
        if (what === 4) changed.input = changed.input.slice(1);
        if (what === 5) changed.opType = sampleOps[at % sampleOps.length]!;
        survives(toBinary(ModelProtoSchema, model));
      }),
      { numRuns: 1000 },
    );
  });

  it('wrong data lengths', () => {
    const error = broken((m) => {
      const w = m.graph?.initializer.find((t) => t.name === 'w');
      w!.rawData = w!.rawData.slice(4);
    });
    expect(error.code).toBe('ERR_FORMAT');
    expect(error.message).toMatch(/tensor "w".* Expected 864 bytes for float32 6x4x3x3, received 860/);
    expect(broken((m) => (m.graph!.initializer[0]!.dims = [2n ** 62n, 2n ** 62n])).message).toContain(
      'fits into memory',
    );
    expect(broken((m) => (m.graph!.initializer[0]!.dims = [-5n])).message).toContain('fits into memory');
  });

  it('cycles, missing inputs, duplicate names', () => {
    const cyclic = foreign({ nodes: [node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b'])], outputs: ['b'] });
    expect(refusal(() => readOnnx(cyclic)).message).toContain('cycle or out of order');
    const self = foreign({ nodes: [node('Relu', ['y'], ['y'])] });
    expect(refusal(() => readOnnx(self)).message).toContain('cycle or out of order');
    const missing = foreign({ nodes: [node('Relu', ['nowhere'], ['y'])] });
    expect(refusal(() => readOnnx(missing)).message).toContain('"nowhere" to exist before Relu "y"');
    const twice = foreign({ nodes: [node('Relu', ['x'], ['y']), node('Exp', ['x'], ['y'])] });
    expect(refusal(() => readOnnx(twice)).message).toContain('two named "y"');
    const shadow = foreign({ nodes: [node('Relu', ['x'], ['x'])], outputs: ['x'] });
    expect(refusal(() => readOnnx(shadow)).message).toContain('two named "x"');
    const stored = foreign({ nodes: [node('Add', ['x', 'w'], ['y'])], initializers: [zeros32('w'), zeros32('w')] });
    expect(refusal(() => readOnnx(stored)).message).toContain('"w" twice');
    const extra = foreign({ nodes: [node('Relu', ['x', 'x'], ['y'])] });
    expect(refusal(() => readOnnx(extra)).message).toContain('no input 1');
    const few = foreign({ nodes: [node('BatchNormalization', ['x', '', '', '', ''], ['y'])] });
    expect(refusal(() => readOnnx(few)).message).toContain('first 5 inputs');
    const computed = foreign({ nodes: [node('Relu', ['x'], ['r']), node('Reshape', ['x', 'r'], ['y'])] });
    expect(refusal(() => readOnnx(computed)).message).toContain('received the computed "r"');
  });

  it('metadata of ours that is damaged or lies', () => {
    const note = (value: string) => (m: ModelProto) => {
      m.metadataProps.find((p) => p.key === 'pixelwise.graph')!.value = value;
    };
    expect(broken(note('{')).message).toContain('Expected JSON');
    expect(broken(note('{"version":2}')).code).toBe('ERR_FORMAT');
    const lies = {
      version: 1,
      parameters: [{ name: 'x', init: { kind: 'bilinear' }, trainable: true, rate: 1, decay: 1 }],
    };
    const text = JSON.stringify({ ...lies, constants: ['nothing'], aliases: ['nothing'], renamed: [['w', 'x']] });
    expect(broken(note(text)).message).toContain('two named "x"');
  });
});
