/** @file A graph as an ONNX file, opset 17. */

import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import type { Graph, Node, Value } from '../ir.js';
import { formatShape, type NamedTensors, sameShape, type Tensor } from '../tensor.js';
import type { AttributeValue } from './kinds.js';
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
  readonly #graph: Graph;
  readonly #options: WriteOptions;

  constructor(graph: Graph, options: WriteOptions) {
    this.#graph = graph;
    this.#options = options;
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
    const written = nodes.map((node) => this.#node(node));
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
        input: [...inputs, ...fed].map((v) => valueInfo(v.name, v)),
        output: outputs.map((o) => valueInfo(o.name, o.value)),
        initializer: this.#initializers,
        node: written,
        valueInfo: nodes.flatMap((n) => n.outputs.map((v) => valueInfo(this.#nameOf(v, n.name), v))),
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

  #node(node: Node): NodeProto {
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
    const values = node.attributes as Readonly<Record<string, unknown>>;
    for (const [name, field] of Object.entries(spec.fields)) {
      const written = field.write(values[name], node.inputs[0]?.dtype ?? 'float32');
      if ('attribute' in written) attribute(name, written.attribute);
      else constant(written.input, written.tensor);
    }
    for (const [name, value] of Object.entries(spec.spelledOut?.(node) ?? {})) attribute(name, value);
    for (const [index, tensor] of Object.entries(spec.constants ?? {})) constant(Number(index), tensor);
    for (const value of node.outputs) this.#define(value, true);
    return create(NodeProtoSchema, {
      name: node.name,
      opType: node.op,
      input: inputs,
      output: node.outputs.map((value) => this.#nameOf(value, node.name)),
      attribute: attributes,
    });
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

function valueInfo(name: string, { dtype, shape }: Value): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: dtypeNumber(dtype),
          shape: { dim: shape.map((d) => ({ value: { case: 'dimValue' as const, value: BigInt(d) } })) },
        },
      },
    },
  });
}
