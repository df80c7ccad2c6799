/** @file A graph as an ONNX file, opset 17. */

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  type TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import { type AnySizeGraph, type FedElements, sideKey } from '../any-size.js';
import type { Graph, Node, Value } from '../ir.js';
import { type DType, formatShape, type NamedTensors, sameShape, type Tensor, tensor } from '../tensor.js';
import { type AttributeValue, int } from './kinds.js';
import { type Metadata, metadataKey } from './metadata.js';
import { specOf } from './operators.js';
import { bytesOf, dtypeNumber, type ExternalData, writeExternal, writeTensor } from './tensors.js';

export interface WriteOptions {
  /** Tensors for the parameters. A parameter without one becomes an input after the graph's own inputs. */
  readonly weights?: NamedTensors;
  /** Keep weights out of the file and hand them over as `externalData`, without copying them. */
  readonly external?: boolean;
  /** Notes to store in the file, as `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What makes the file one for every size. */
  readonly anySize?: Pick<AnySizeGraph, 'fed' | 'sides'>;
}

export interface WrittenModel {
  /** The file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** With `external`: views of the weights, to be given to the engine (or written beside the file) by their paths. */
  readonly externalData: readonly ExternalData[];
}

/** Smaller weights stay in the file: an entry of external data costs more than they do. */
const externalFrom = 1024;
/** The largest protobuf message. */
const largestFile = 2 ** 31 - 1;

/**
 * Writes `graph` as ONNX (IR version 8, opset 17).
 *
 * @throws ERR_GRAPH for a graph that ONNX cannot express, ERR_WEIGHTS for weights that do not fit their parameters.
 */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): WrittenModel {
  return new Writer(graph, options).write();
}

class Writer {
  readonly #names = new Map<Value, string>();
  readonly #taken = new Set<string>();
  readonly #renamed: [string, string][] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #external: ExternalData[] = [];
  /** Names of the constants that spell out attributes, by content. */
  readonly #shared = new Map<string, string>();
  /** Of nodes by name: elements of attributes that are inputs, by attribute. */
  readonly #fed = new Map<string, Map<string, FedElements[]>>();
  readonly #graph: Graph;
  readonly #options: WriteOptions;

  constructor(graph: Graph, options: WriteOptions) {
    this.#graph = graph;
    this.#options = options;
    for (const e of options.anySize?.fed.elements ?? []) {
      const ofNode = this.#fed.get(e.node) ?? new Map<string, FedElements[]>();
      this.#fed.set(e.node, ofNode.set(e.attribute, [...(ofNode.get(e.attribute) ?? []), e]));
    }
  }

  write(): WrittenModel {
    const { inputs, parameters, constants, nodes, outputs, name } = this.#graph;
    const weights = this.#options.weights ?? new Map();
    const fed = parameters.filter((p) => !weights.has(p.value.name)).map((p) => p.value);
    this.#reserve();
    for (const value of [...inputs, ...parameters.map((p) => p.value)]) this.#define(value, false);
    for (const { value } of constants) this.#define(value, true);
    for (const { value } of parameters) {
      const tensor = weights.get(value.name);
      if (tensor) this.#weight(value, tensor);
    }
    for (const { value, tensor } of constants) this.#initializers.push(writeTensor(this.#nameOf(value, name), tensor));
    const written = nodes.flatMap((node) => this.#node(node));
    this.#checkFed();
    const aliases = outputs.filter((o) => o.value.name !== o.name);
    for (const { name: output, value } of aliases) {
      written.push(
        create(NodeProtoSchema, {
          name: this.#fresh(`output ${output}`),
          opType: 'Identity',
          input: [this.#nameOf(value, `output "${output}"`)],
          output: [output],
        }),
      );
    }
    const metadata: Metadata = {
      version: 1,
      parameters: parameters.map(({ value, init, trainable, rate, decay }) => {
        return { name: value.name, init, trainable, rate, decay };
      }),
      constants: constants.map((c) => this.#nameOf(c.value, name)),
      aliases: aliases.map((o) => o.name),
      renamed: this.#renamed,
    };
    this.#checkSize();
    const model = create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: 'pixelwise',
      opsetImport: [{ domain: '', version: 17n }],
      metadataProps: [
        ...Object.entries(this.#options.metadata ?? {}).map(([key, value]) => ({ key, value })),
        { key: metadataKey, value: JSON.stringify(metadata) },
      ],
      graph: {
        name: name || 'graph',
        input: [...[...inputs, ...fed].map((v) => this.#info(v.name, v)), ...this.#fedInputs()],
        output: outputs.map((o) => this.#info(o.name, o.value)),
        initializer: this.#initializers,
        node: written,
        valueInfo: nodes.flatMap((n) => n.outputs.map((v) => this.#info(this.#nameOf(v, n.name), v))),
      },
    });
    return { model: toBinary(ModelProtoSchema, model), externalData: this.#external };
  }

  /** Output names come first: callers ask for them. */
  #reserve(): void {
    const { outputs, name } = this.#graph;
    if (Object.hasOwn(this.#options.metadata ?? {}, metadataKey)) {
      throw new PixelwiseError('ERR_USAGE', `The metadata key "${metadataKey}" is taken. Choose another key.`);
    }
    const seen = new Set<string>();
    for (const output of outputs) {
      if (seen.has(output.name)) throw malformed(name, `one output named "${output.name}"`, 'two');
      seen.add(output.name);
      if (output.value.name !== output.name) this.#taken.add(output.name);
    }
  }

  #define(value: Value, mayRename: boolean): void {
    const { name } = value;
    if (this.#names.has(value)) throw malformed(this.#graph.name, `"${name}" once`, 'it twice');
    if (name === '') throw malformed(this.#graph.name, 'values with names', 'one without');
    const clash = this.#taken.has(name);
    const isOutput = this.#graph.outputs.some((o) => o.name === name && o.value !== value);
    if (clash && !(isOutput && mayRename)) {
      throw malformed(this.#graph.name, `one value named "${name}"`, isOutput ? 'an output of that name too' : 'two');
    }
    const written = clash ? this.#fresh(name) : name;
    if (clash) this.#renamed.push([written, name]);
    this.#taken.add(written);
    this.#names.set(value, written);
  }

  #fresh(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#taken.has(name) || this.#isValueName(name); i++) name = `${wanted}/${i}`;
    this.#taken.add(name);
    return name;
  }

  #allNames: ReadonlySet<string> | undefined;
  /** Names that later nodes will want. */
  #isValueName(name: string): boolean {
    this.#allNames ??= new Set(this.#graph.nodes.flatMap((n) => n.outputs.map((v) => v.name)));
    return this.#allNames.has(name);
  }

  #nameOf(value: Value, user: string): string {
    const name = this.#names.get(value);
    if (name !== undefined) return name;
    throw malformed(this.#graph.name, `"${value.name}" to be computed before ${user} uses it`, 'no such value');
  }

  #weight(value: Value, tensor: Tensor): void {
    if (tensor.dtype !== value.dtype || !sameShape(tensor.shape, value.shape)) {
      throw new PixelwiseError(
        'ERR_WEIGHTS',
        `Weights do not fit parameter "${value.name}". Expected ${value.dtype} ${formatShape(value.shape)}, received ` +
          `${tensor.dtype} ${formatShape(tensor.shape)}. Convert them first, or build the network for these weights.`,
        { subject: value.name },
      );
    }
    if (!this.#options.external || tensor.data.byteLength < externalFrom) {
      this.#initializers.push(writeTensor(value.name, tensor));
      return;
    }
    // One path per tensor, so that no weight is copied into a common blob.
    const path = `${this.#external.length}.bin`;
    this.#external.push({ path, data: bytesOf(tensor) });
    this.#initializers.push(writeExternal(value.name, tensor, path));
  }

  #info(name: string, { dtype, shape }: Value): ValueInfoProto {
    const sides = this.#options.anySize?.sides;
    return valueInfo(name, dtype, sides ? shape.map((n, axis) => sides.get(sideKey(shape.length, axis, n))) : shape);
  }

  #fedInputs(): ValueInfoProto[] {
    return (this.#options.anySize?.fed.elements ?? []).map((e) => valueInfo(e.input, 'int64', [e.count]));
  }

  /** The nodes that put a list together, part of which is fed; its name. */
  #list(list: Tensor, elements: readonly FedElements[], name: string): { nodes: NodeProto[]; name: string } {
    const numbers = list.data as BigInt64Array;
    const parts: string[] = [];
    let at = 0;
    const keep = (end: number): void => {
      if (end > at) parts.push(this.#sharedConstant(tensor('int64', [end - at], numbers.slice(at, end))));
    };
    for (const { input, start, count } of elements) {
      keep(start);
      parts.push(input);
      at = start + count;
    }
    keep(numbers.length);
    if (parts.length === 1) return { nodes: [], name: parts[0]! };
    const whole = this.#fresh(name);
    const axis = create(AttributeProtoSchema, { name: 'axis', ...int().toAttribute(0) });
    const node = create(NodeProtoSchema, {
      name: whole,
      opType: 'Concat',
      input: parts,
      output: [whole],
      attribute: [axis],
    });
    return { nodes: [node], name: whole };
  }

  /** Rewriting keeps the names of nodes that it has no reason to touch. */
  #checkFed(): void {
    const [lost] = this.#fed.keys();
    if (lost === undefined) return;
    throw malformed(this.#graph.name, `a node '${lost}', whose attributes are fed`, 'none');
  }

  #node(node: Node): NodeProto[] {
    const spec = specOf(node.op);
    const [least, most] = spec.inputs;
    const inputs = node.inputs.map((value) => (value ? this.#nameOf(value, `${node.op} "${node.name}"`) : ''));
    while (inputs.at(-1) === '') inputs.pop();
    if (inputs.length < least || inputs.length > most || inputs.slice(0, least).includes('')) {
      throw malformed(
        this.#graph.name,
        `${least}${most > least ? ` to ${most}` : ''} inputs of ${node.op} "${node.name}"`,
        String(inputs.length),
      );
    }
    const attributes: AttributeProto[] = [];
    const attribute = (name: string, value: AttributeValue) =>
      attributes.push(create(AttributeProtoSchema, { name, ...value }));
    const constant = (index: number, tensor: Tensor) => {
      while (inputs.length <= index) inputs.push('');
      inputs[index] = this.#sharedConstant(tensor);
    };
    const before: NodeProto[] = [];
    const fed = this.#fed.get(node.name);
    this.#fed.delete(node.name);
    const values = node.attributes as Readonly<Record<string, unknown>>;
    for (const [name, field] of Object.entries(spec.fields)) {
      const written = field.write(values[name], node.inputs[0]?.dtype ?? 'float32');
      const elements = fed?.get(name);
      if ('attribute' in written) attribute(name, written.attribute);
      else if (elements) {
        const list = this.#list(written.tensor, elements, `${node.name}/${name}`);
        before.push(...list.nodes);
        while (inputs.length <= written.input) inputs.push('');
        inputs[written.input] = list.name;
      } else constant(written.input, written.tensor);
    }
    for (const [name, value] of Object.entries(spec.spelledOut?.(node) ?? {})) attribute(name, value);
    for (const [index, tensor] of Object.entries(spec.constants ?? {})) constant(Number(index), tensor);
    for (const value of node.outputs) this.#define(value, true);
    const main = create(NodeProtoSchema, {
      name: node.name,
      opType: node.op,
      input: inputs,
      output: node.outputs.map((value) => this.#nameOf(value, node.name)),
      attribute: attributes,
    });
    return [...before, main];
  }

  #sharedConstant(tensor: Tensor): string {
    const key = `${tensor.dtype} ${tensor.shape.length}:${tensor.data.join()}`;
    let name = this.#shared.get(key);
    if (name === undefined) {
      name = this.#fresh(`attribute ${this.#shared.size}`);
      this.#shared.set(key, name);
      this.#initializers.push(writeTensor(name, tensor));
    }
    return name;
  }

  #checkSize(): void {
    const bytes = this.#initializers.reduce((sum, t) => sum + t.rawData.length, 0);
    if (bytes < largestFile) return;
    throw new PixelwiseError(
      'ERR_GRAPH',
      `Graph "${this.#graph.name}" does not fit into one ONNX file. Expected less than ${largestFile} bytes of ` +
        `tensors, received ${bytes}. Write it with external data.`,
      { subject: this.#graph.name },
    );
  }
}

function malformed(graph: string, expected: string, received: string): PixelwiseError {
  return new PixelwiseError(
    'ERR_GRAPH',
    `Graph "${graph}" cannot be written as ONNX. Expected ${expected}, received ${received}. Build it with GraphBuilder.`,
    { subject: graph },
  );
}

/** A side without a number or a name is not known. */
export function valueInfo(name: string, dtype: DType, sides: readonly (number | string | undefined)[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: { case: 'tensorType', value: { elemType: dtypeNumber(dtype), shape: { dim: sides.map(dimension) } } },
    },
  });
}

function dimension(side: number | string | undefined): MessageInitShape<typeof TensorShapeProto_DimensionSchema> {
  if (side === undefined) return {};
  if (typeof side === 'string') return { value: { case: 'dimParam', value: side } };
  return { value: { case: 'dimValue', value: BigInt(side) } };
}
