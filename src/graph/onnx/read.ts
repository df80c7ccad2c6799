/** @file An ONNX file as a graph: one that was written here comes back as it was, a foreign one as far as it is known. */

import type { NodeProto } from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import type { Constant, Graph, Node, NodeOf, OpAttributes, OpType, Output, Parameter, Value } from '../ir.js';
import { inferTypes, type ValueType } from '../shapes.js';
import { formatShape, type NamedTensors, sizeOf } from '../tensor.js';
import { readAttributes } from './attributes.js';
import type { Source } from './fields.js';
import { decodeFile, isOnnxDomain, type OnnxFile, readInput } from './file.js';
import { fold, isShapeArithmetic } from './fold.js';
import { type Replacement, replacementOf } from './foreign.js';
import { type Metadata, metadataKey, parameterDefaults } from './metadata.js';
import { parseMetadata } from './metadata-schema.js';
import { isOpType, specOf } from './operators.js';
import { ConstantPool } from './pool.js';
import type { ExternalData } from './tensors.js';

export interface ReadOptions {
  /** Files beside the model that hold its larger tensors, by the paths that the model gives them. */
  readonly external?: readonly ExternalData[];
  /** Sizes of symbolic dimensions, by name (`batch`) or by input and axis (`image.2`). */
  readonly dims?: Readonly<Record<string, number>>;
}

export interface ReadModel {
  readonly graph: Graph;
  /** Tensors of the parameters that the file holds: views of its bytes where alignment allows. */
  readonly weights: NamedTensors;
  /** The file's notes (`metadata_props`), but for our own. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an ONNX file of opset 11 to 22.
 *
 * In a file that was not written by `writeOnnx`, initializers that feed the weight inputs of an operator become
 * parameters, all others constants.
 *
 * @throws ERR_FORMAT for damaged files, ERR_FILE for external data that was not passed, ERR_GRAPH for operators or
 *   attributes that the graph does not know (all unknown operators at once), for symbolic dimensions without a size, and
 *   for nodes that form a cycle; ERR_SHAPE for shapes that do not fit.
 */
export function readOnnx(model: Uint8Array, options: ReadOptions = {}): ReadModel {
  const file = decodeFile(model);
  const unknown = new Set(
    file.graph.node
      .filter((n) => !(isOnnxDomain(n.domain) && isReadable(n.opType)))
      .map((n) => (isOnnxDomain(n.domain) ? n.opType : `${n.domain}.${n.opType}`)),
  );
  if (unknown.size > 0) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `The model uses operators that pixelwise does not know: ${[...unknown].sort().join(', ')}. Expected only those ` +
        'of its graphs. Simplify the model (onnxsim, or constant folding at export), or run it with ONNX Runtime itself.',
    );
  }
  return new Reader(file, options).read();
}

const isReadable = (op: string): boolean =>
  isOpType(op) || op === 'Constant' || isShapeArithmetic(op) || replacementOf(op) !== undefined;

class Reader {
  readonly #file: OnnxFile;
  readonly #options: ReadOptions;
  readonly #own: boolean;
  readonly #metadata: Metadata;
  readonly #pool: ConstantPool;
  /** Every value so far, by its name in the file. */
  readonly #values = new Map<string, Value>();
  /** Names in the graph, which may differ from those in the file. */
  readonly #names = new Set<string>();
  readonly #renamed: ReadonlyMap<string, string>;
  /** Outputs that the graph's operator lacks, such as the mask of Dropout; they may not be used. */
  readonly #absent = new Map<string, string>();
  /** Outputs that are second names. */
  readonly #aliases = new Map<string, Value>();

  constructor(file: OnnxFile, options: ReadOptions) {
    const own = parseMetadata(file.metadata[metadataKey]);
    this.#own = own !== undefined;
    this.#file = file;
    this.#options = options;
    this.#metadata = own ?? { version: 1, parameters: [], constants: [], aliases: [], renamed: [] };
    this.#renamed = new Map(this.#metadata.renamed);
    this.#pool = new ConstantPool(file, options.external ?? [], this.#own);
  }

  read(): ReadModel {
    const { graph, metadata } = this.#file;
    const parameterNames = new Set(this.#metadata.parameters.map((p) => p.name));
    const inputs: Value[] = [];
    const fed = new Set<string>();
    for (const proto of graph.input) {
      if (this.#pool.has(proto.name)) continue; // Before IR version 4, initializers are inputs too.
      const value = this.#define(proto.name, readInput(proto, this.#options.dims ?? {}));
      if (parameterNames.has(proto.name)) fed.add(proto.name);
      else inputs.push(value);
    }
    // Parameters and constants that nothing uses are part of the graph all the same.
    for (const name of [...parameterNames, ...this.#metadata.constants]) {
      if (this.#pool.has(name)) this.#value(name, 'the metadata');
    }
    const nodes = graph.node.flatMap((proto, i) => this.#node(proto, i));
    const outputs = graph.output.map(({ name }): Output => {
      const value = this.#aliases.get(name) ?? this.#value(name, `output "${name}"`);
      if (value) return { name, value };
      throw this.#malformed('outputs with names', 'one without');
    });
    if (new Set(outputs.map((o) => o.name)).size < outputs.length) {
      throw this.#malformed('outputs with different names', 'two of one name');
    }
    const { parameters, constants, weights } = this.#sort(parameterNames, fed);
    const notes = Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== metadataKey));
    return {
      graph: { name: graph.name || 'graph', inputs, parameters, constants, nodes, outputs },
      weights,
      metadata: notes,
    };
  }

  /** What is given rather than computed: parameters and constants, in the order of the metadata or else of the file. */
  #sort(parameterNames: ReadonlySet<string>, fed: ReadonlySet<string>) {
    const properties = new Map(this.#metadata.parameters.map(({ name, ...rest }) => [name, rest]));
    const constantNames = new Set(this.#metadata.constants);
    const parameters: Parameter[] = [];
    const constants: Constant[] = [];
    const weights: NamedTensors = new Map();
    for (const name of new Set([...parameterNames, ...constantNames, ...this.#pool.names()])) {
      const value = this.#values.get(name);
      const stored = this.#pool.has(name);
      if (!value || !(stored || fed.has(name))) continue;
      const role = constantNames.has(name) ? undefined : this.#pool.roleOf(name);
      const given = properties.get(name) ?? (role && { ...parameterDefaults, trainable: role === 'weight' });
      if (given) parameters.push({ value, ...given });
      if (given && stored) weights.set(value.name, this.#pool.tensor(name));
      if (!given) constants.push({ value, tensor: this.#pool.tensor(name) });
    }
    return { parameters, constants, weights };
  }

  #define(fileName: string, { dtype, shape }: ValueType, isConstant = false): Value {
    const name = this.#renamed.get(fileName) ?? fileName;
    const taken = this.#names.has(name) || this.#values.has(fileName) || this.#pool.has(fileName) !== isConstant;
    if (name === '' || taken) {
      throw this.#malformed('values with different names', name === '' ? 'one without a name' : `two named "${name}"`);
    }
    const value = { name, dtype, shape };
    this.#names.add(name);
    this.#values.set(fileName, value);
    return value;
  }

  /** The value of that name, which must be there before `user`; undefined for an optional input left out. */
  #value(given: string, user: string): Value | undefined {
    if (given === '') return undefined;
    const name = this.#pool.resolve(given);
    const value = this.#values.get(name);
    if (value) return value;
    if (this.#pool.has(name)) return this.#define(name, this.#pool.tensor(name), true);
    const owner = this.#absent.get(name);
    if (owner) throw this.#malformed(`only outputs that the graph knows`, `"${name}" of ${owner}, used by ${user}`);
    const computed = this.#file.graph.node.some((n) => n.output.includes(name));
    throw this.#malformed(
      `"${name}" to exist before ${user} uses it`,
      computed ? 'nodes in a cycle or out of order' : 'no such value',
    );
  }

  #malformed(expected: string, received: string): PixelwiseError {
    return new PixelwiseError(
      'ERR_GRAPH',
      `The graph of the model is not well formed. Expected ${expected}, received ${received}. Check the model with ` +
        'onnx.checker, and export it again.',
    );
  }

  /** No node for what only names a value again, or holds a constant. */
  #node(proto: NodeProto, index: number): Node[] {
    const [output = ''] = proto.output;
    if (this.#pool.holds(proto) || this.#folds(proto)) return [];
    const label = `${proto.opType} "${proto.name || output || index}"`;
    if (proto.opType === 'Identity' && this.#metadata.aliases.includes(output)) {
      const value = this.#value(proto.input[0] ?? '', label);
      if (value) this.#aliases.set(output, value);
      return [];
    }
    const used = new Set<number>();
    const source = this.#source(proto, label, used);
    const { op, inputs, attributes } = this.#translate(proto, source);
    proto.input.forEach((name, i) => {
      if (i < source.inputs.length || used.has(i) || name === '') return;
      throw source.refuse(`Expected no input ${i}, received "${name}".`);
    });
    const types = this.#types(source, op, inputs, attributes);
    const names = [...proto.output];
    while (names.at(-1) === '') names.pop();
    for (const name of names.splice(types.length)) this.#absent.set(name, label);
    const outputs = names.map((name, i) => this.#define(name || `${output}:${i}`, types[i]!));
    return [{ op, name: proto.name || output, inputs, outputs, attributes } as NodeOf<OpType> as Node];
  }

  /** Shape arithmetic of a foreign file becomes a constant; in our own every node is a node. */
  #folds(proto: NodeProto): boolean {
    const [output = ''] = proto.output;
    if (this.#own || proto.output.length !== 1) return false;
    const tensor = (name: string) => (this.#pool.has(name) ? this.#pool.tensor(this.#pool.resolve(name)) : undefined);
    const shape = (name: string) => (this.#values.get(name) ?? tensor(name))?.shape;
    const folded = fold(proto, { shape, tensor });
    if (folded && this.#values.has(output)) throw this.#malformed('different names', `two values named "${output}"`);
    if (folded) this.#pool.add(output, () => folded);
    return folded !== undefined;
  }

  #translate(proto: NodeProto, source: Source): Replacement {
    const replacement = replacementOf(proto.opType);
    if (replacement) return replacement.by(source);
    if (!isOpType(proto.opType)) {
      throw source.refuse(
        `Expected ${proto.opType} of shapes only, received one that depends on the picture. Simplify the model (onnxsim).`,
      );
    }
    const [least] = specOf(proto.opType).inputs;
    const inputs = [...source.inputs];
    while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
    const needed = inputs.slice(0, least).filter((v) => v !== undefined).length;
    if (needed < least) throw source.refuse(`Expected its first ${least} inputs, received ${needed}.`);
    const given = proto.attribute.map((a) => a.name);
    return { op: proto.opType, inputs, attributes: readAttributes(proto.opType, source, given) };
  }

  #source(proto: NodeProto, label: string, used: Set<number>): Source {
    const most = isOpType(proto.opType) ? specOf(proto.opType).inputs[1] : replacementOf(proto.opType)?.data;
    const refuse = (sentence: string) =>
      new PixelwiseError('ERR_GRAPH', `The model's ${label} cannot be read. ${sentence}`, { subject: proto.name });
    const attributes = new Map(proto.attribute.map((a) => [a.name, a]));
    if (attributes.size < proto.attribute.length) throw refuse('Expected attributes with different names.');
    return {
      op: proto.opType,
      opset: this.#file.opset,
      inputs: proto.input.slice(0, most).map((name) => this.#value(name, label)),
      attribute: (name) => attributes.get(name),
      constant: (index) => {
        const name = this.#pool.resolve(proto.input[index] ?? '');
        used.add(index);
        if (name === '') return undefined;
        if (this.#pool.has(name)) return this.#pool.tensor(name);
        throw refuse(
          `Expected a constant as input ${index}, received the computed "${name}". Simplify the model (onnxsim, or ` +
            'constant folding at export) with fixed input sizes.',
        );
      },
      refuse,
    };
  }

  /** The types of a node's outputs. A rule may trip over what no builder would make: that is the file's fault. */
  #types(source: Source, op: OpType, inputs: Node['inputs'], attributes: OpAttributes[OpType]): ValueType[] {
    let types: ValueType[];
    try {
      types = inferTypes(op, inputs, attributes);
    } catch (cause) {
      if (cause instanceof PixelwiseError) throw cause;
      throw source.refuse(
        `Expected inputs that ${op} can take, received ${inputs.map((v) => v && show(v)).join(', ')}.`,
      );
    }
    for (const { shape } of types) {
      if (shape.every((d) => Number.isSafeInteger(d) && d >= 0) && Number.isSafeInteger(sizeOf(shape))) continue;
      throw source.refuse(`Expected attributes that fit the inputs, received a result of ${formatShape(shape)}.`);
    }
    return types;
  }
}

const show = (value: Value): string => `"${value.name}" (${formatShape(value.shape)})`;
