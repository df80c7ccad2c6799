/** @file The constant tensors of a file: initializers, `Constant` nodes, and what an Identity names a second time. */

import type { AttributeProto, NodeProto } from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import { floats, type Tensor, tensor } from '../tensor.js';
import type { OnnxFile } from './file.js';
import { isOpType, specOf } from './operators.js';
import { type ExternalData, TensorReader } from './tensors.js';

/** What an initializer is by the input it feeds: learned, or measured as the running statistics are. */
type Role = 'weight' | 'statistic';

/** Attributes in which a Constant node may hold its tensor. */
const constantForms: Readonly<Record<string, (a: AttributeProto, reader: TensorReader) => Tensor | undefined>> = {
  value: (a, reader) => a.t && reader.read(a.t, 'the value of a Constant'),
  value_int: (a) => tensor('int64', [], BigInt64Array.of(a.i)),
  value_ints: (a) => tensor('int64', [a.ints.length], BigInt64Array.from(a.ints)),
  value_float: (a) => floats([], [a.f]),
  value_floats: (a) => floats([a.floats.length], a.floats),
};

export class ConstantPool {
  readonly #unread = new Map<string, () => Tensor>();
  readonly #read = new Map<string, Tensor>();
  readonly #aliases = new Map<string, string>();
  readonly #held = new Set<NodeProto>();
  readonly #roles = new Map<string, Role>();

  /** In a file of our own an Identity is a node of the graph; elsewhere exporters use it to share weights. */
  constructor({ graph }: OnnxFile, external: readonly ExternalData[], own: boolean) {
    const reader = new TensorReader(external);
    for (const proto of graph.initializer) this.add(proto.name, () => reader.read(proto));
    const outputs = new Set(graph.output.map((o) => o.name));
    for (const node of graph.node) {
      const [output = ''] = node.output;
      if (node.opType === 'Constant') {
        this.#held.add(node);
        this.add(output, () => readConstant(node, reader));
      } else if (!own && node.opType === 'Identity' && !outputs.has(output) && this.has(node.input[0] ?? '')) {
        this.#held.add(node);
        this.#aliases.set(output, this.resolve(node.input[0] ?? ''));
      }
    }
    for (const node of graph.node) this.#assignRoles(node);
  }

  /** One more constant, such as the result of arithmetic on constants. */
  add(name: string, read: () => Tensor): void {
    if (name !== '' && !this.#unread.has(name)) {
      this.#unread.set(name, read);
      return;
    }
    throw new PixelwiseError(
      'ERR_GRAPH',
      `The model's constants are not well formed. Expected different names, received ${name ? `"${name}" twice` : 'an empty one'}.`,
    );
  }

  #assignRoles({ opType, input }: NodeProto): void {
    if (!isOpType(opType)) return;
    const { weights = [], statistics = [] } = specOf(opType);
    for (const index of weights) {
      const name = this.resolve(input[index] ?? '');
      if (this.#unread.has(name)) this.#roles.set(name, statistics.includes(index) ? 'statistic' : 'weight');
    }
  }

  /** The name under which a constant is kept. */
  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  has(name: string): boolean {
    return this.#unread.has(this.resolve(name));
  }

  /** True for nodes that are nothing but a constant. */
  holds(node: NodeProto): boolean {
    return this.#held.has(node);
  }

  names(): Iterable<string> {
    return this.#unread.keys();
  }

  roleOf(name: string): Role | undefined {
    return this.#roles.get(name);
  }

  /** A constant that `has` knows, read once. */
  tensor(name: string): Tensor {
    const known = this.#read.get(name);
    if (known) return known;
    const read = this.#unread.get(name)!();
    this.#read.set(name, read);
    return read;
  }
}

function readConstant(node: NodeProto, reader: TensorReader): Tensor {
  const [attribute] = node.attribute;
  const form = attribute && Object.hasOwn(constantForms, attribute.name) ? constantForms[attribute.name] : undefined;
  const found = attribute && form?.(attribute, reader);
  if (found) return found;
  throw new PixelwiseError(
    'ERR_GRAPH',
    `The model's Constant "${node.output[0]}" cannot be read. Expected ${Object.keys(constantForms).join(', ')}, ` +
      `received ${attribute?.name ?? 'nothing'}.`,
    { subject: node.name },
  );
}
