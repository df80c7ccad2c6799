/**
 * @file One ONNX file for every size: what follows from the size of the input is computed in the file, with Shape and
 * integer arithmetic.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  type GraphProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  AttributeProto_AttributeType as Type,
  type ValueInfoProto,
} from 'onnx-buf';
import { internal, PixelwiseError } from '../../errors.js';
import type { Graph, Value } from '../ir.js';
import type { NamedTensors } from '../tensor.js';
import { ints } from './kinds.js';
import { metadataKey } from './metadata.js';
import { specOf } from './operators.js';
import { type Extent, type SizedGraph, sizedGraph } from './sizes.js';
import { type ExternalData, writeTensor } from './tensors.js';
import { writeOnnx } from './write.js';

export interface DynamicOptions {
  /** Tensors for the parameters. A parameter without one becomes an input after the graph's own inputs. */
  readonly weights?: NamedTensors;
  /** Notes to store in the file, as `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Names of the axes of inputs that vary, in order of their appearance. */
  readonly symbols: readonly string[];
}

/** The largest protobuf message. */
const largestFile = 2 ** 31 - 1;

/**
 * Writes one network as one file (opset 17) whose input has symbolic dimensions.
 *
 * @param graphs the same network at many sizes: twice its stride in a row, rows and columns apart
 * @throws ERR_GRAPH where the network depends on its size in a way that sizes of values do not tell
 */
export function writeDynamicOnnx(graphs: readonly Graph[], options: DynamicOptions): Uint8Array<ArrayBuffer> {
  const { weights, metadata, symbols } = options;
  const sized = sizedGraph(graphs);
  const written = writeOnnx(sized.graph, {
    external: true,
    ...(weights && { weights }),
    ...(metadata && { metadata }),
  });
  const model = fromBinary(ModelProtoSchema, written.model);
  const proto = model.graph;
  if (!proto) throw internal('a graph was written without a graph');
  new Lowering(sized, proto).lower();
  nameDimensions(sized, proto, symbols);
  embed(sized.graph, proto, written.externalData);
  // Those notes describe static graphs; without them the file is read as any other.
  model.metadataProps = model.metadataProps.filter((p) => p.key !== metadataKey);
  return toBinary(ModelProtoSchema, model);
}

/** Replaces constants that describe sizes by their computation. */
class Lowering {
  readonly #sized: SizedGraph;
  readonly #proto: GraphProto;
  /** Names of values in the file, which may have had to make way for those of outputs. */
  readonly #names = new Map<Value, string>();
  /** Names of what is computed already. */
  readonly #known = new Set<string>();

  constructor(sized: SizedGraph, proto: GraphProto) {
    this.#sized = sized;
    this.#proto = proto;
  }

  lower(): void {
    const { graph, attributes } = this.#sized;
    for (const v of [...graph.inputs, ...graph.parameters.map((p) => p.value)]) this.#names.set(v, v.name);
    const nodes = this.#proto.node;
    this.#proto.node = [];
    nodes.forEach((written, index) => {
      // Nodes beyond the graph's give outputs their names.
      const node = graph.nodes[index];
      for (const [name, elements] of Object.entries((node && attributes.get(node)) ?? {})) {
        const place = specOf(node!.op).fields[name]?.write([], 'int64');
        if (!place || !('input' in place)) {
          throw internal(`'${name}' of ${node!.op} '${node!.name}' depends on the size, but is no input in ONNX`);
        }
        written.input[place.input] = this.#list(elements, `${node!.name}/${name}`);
      }
      this.#proto.node.push(written);
      node?.outputs.forEach((v, i) => {
        this.#names.set(v, written.output[i]!);
      });
    });
    const used = new Set(this.#proto.node.flatMap((n) => n.input));
    this.#proto.initializer = this.#proto.initializer.filter(
      (t) => used.has(t.name) || !t.name.startsWith('attribute '),
    );
  }

  #list(elements: readonly (number | Extent)[], name: string): string {
    const parts: string[] = [];
    let numbers: number[] = [];
    const flush = (): void => {
      if (numbers.length > 0) parts.push(this.#constant(numbers));
      numbers = [];
    };
    for (const element of elements) {
      if (typeof element === 'number') numbers.push(element);
      else {
        flush();
        parts.push(this.#extent(element));
      }
    }
    flush();
    return parts.length === 1 ? parts[0]! : this.#node('Concat', parts, name, { axis: 0 });
  }

  #extent({ value, axis, factor, offset }: Extent): string {
    const of = this.#names.get(value);
    if (of === undefined) throw internal(`the size of '${value.name}' is used before it is known`);
    let name = `size of ${of}/${axis}`;
    this.#node('Shape', [of], name, { start: axis, end: axis + 1 });
    const step = (op: string, number: number, sign: string): void => {
      const next = `${name} ${sign} ${number}`;
      this.#node(op, [name, this.#constant([number])], next);
      name = next;
    };
    if (factor !== 1) step('Mul', factor, '*');
    if (offset !== 0) step('Add', offset, '+');
    return name;
  }

  #node(opType: string, input: string[], name: string, attributes: Readonly<Record<string, number>> = {}): string {
    if (this.#known.has(name)) return name;
    this.#known.add(name);
    const attribute = Object.entries(attributes).map(([key, value]) =>
      create(AttributeProtoSchema, { name: key, type: Type.INT, i: BigInt(value) }),
    );
    this.#proto.node.push(create(NodeProtoSchema, { name, opType, input, output: [name], attribute }));
    return name;
  }

  #constant(values: readonly number[]): string {
    const name = `integers ${values.join()}`;
    if (!this.#known.has(name)) this.#proto.initializer.push(writeTensor(name, ints.toTensor(values, 'int64')));
    this.#known.add(name);
    return name;
  }
}

/** Axes of inputs that vary get names; axes of outputs get the name of the input axis that they always equal, if any. */
function nameDimensions(sized: SizedGraph, proto: GraphProto, symbols: readonly string[]): void {
  const named: { symbol: string; sizes: string }[] = [];
  const rename = (info: ValueInfoProto | undefined, value: Value, symbolOf: (sizes: string, i: number) => string) => {
    const type = info?.type?.value;
    if (type?.case !== 'tensorType') return;
    type.value.shape?.dim.forEach((dim, axis) => {
      const sizes = sized.sizesOf(value, axis);
      if (sizes.every((s) => s === sizes[0])) return;
      const symbol = symbolOf(sizes.join(), axis);
      dim.value = symbol === '' ? { case: undefined } : { case: 'dimParam', value: symbol };
    });
  };
  sized.graph.inputs.forEach((value, i) => {
    rename(proto.input[i], value, (sizes, axis) => {
      const symbol = symbols[named.length] ?? `${value.name}_${axis}`;
      named.push({ symbol, sizes });
      return symbol;
    });
  });
  sized.graph.outputs.forEach(({ value }, i) => {
    rename(proto.output[i], value, (sizes) => named.find((n) => n.sizes === sizes)?.symbol ?? '');
  });
  // They hold at one size only; whoever needs them infers them.
  proto.valueInfo = [];
}

/** Puts the weights into the file: one file is easier to pass on than two. */
function embed(graph: Graph, proto: GraphProto, external: readonly ExternalData[]): void {
  const bytes = external.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes > largestFile - 2 ** 20) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `'${graph.name}' does not fit into one ONNX file. Expected less than ${largestFile} bytes of weights, received ${bytes}.`,
      { subject: graph.name },
    );
  }
  const data = new Map(external.map((e) => [e.path, e.data]));
  for (const t of proto.initializer) {
    if (t.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const path = t.externalData.find((e) => e.key === 'location')?.value ?? '';
    t.rawData = data.get(path) as Uint8Array<ArrayBuffer>;
    t.dataLocation = TensorProto_DataLocation.DEFAULT;
    t.externalData = [];
  }
}
