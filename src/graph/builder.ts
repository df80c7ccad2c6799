/** @file Builds a graph node by node: checks every shape at once, names every value, keeps constants once. */

import { PixelwiseError } from '../errors.js';
import { cropOffset } from './coordinates.js';
import type { Constant, Graph, Init, Node, OpAttributes, OpType, Output, Pads, Pair, Parameter, Value } from './ir.js';
import { inferTypes } from './shapes.js';
import { type DType, floats, formatShape, type Shape, type Tensor, tensor } from './tensor.js';

type Square = number | Pair;
const pair = (v: Square): Pair => (typeof v === 'number' ? [v, v] : v);
/** A padding of one number, of height and width, or of all four sides. */
export type Padding = Square | Pads;
const fourPads = (v: Padding): Pads =>
  typeof v === 'number' ? [v, v, v, v] : v.length === 2 ? [v[0], v[1], v[0], v[1]] : v;

export interface ConvOptions {
  readonly stride?: Square;
  readonly pad?: Padding;
  readonly dilation?: Square;
  readonly group?: number;
  /** Name of the resulting value; by default the operator's name and a number. */
  readonly name?: string;
}

export interface PoolOptions {
  readonly kernel: Square;
  readonly stride?: Square;
  readonly pad?: Square;
  /** Round the number of windows up, as Caffe and PyTorch's `ceil_mode` do, clipping a window that starts past the end. */
  readonly ceil?: boolean;
  readonly name?: string;
}

export interface ParameterOptions {
  /** Element type; float32 by default. */
  readonly dtype?: DType;
  readonly init?: Init;
  readonly trainable?: boolean;
  readonly rate?: number;
  readonly decay?: number;
}

/**
 * Pads that make floor rounding give Caffe's (and PyTorch's) ceil-mode output: the window count is rounded up, then one is
 * dropped if the last window would start past the padded input (Caffe `pooling_layer.cpp`).
 */
function ceilPads(n: number, k: number, s: number, p: number): [number, number] {
  let out = Math.ceil((n + 2 * p - k) / s) + 1;
  if ((out - 1) * s >= n + p) out -= 1;
  return [p, Math.max(0, (out - 1) * s + k - n - p)];
}

/** Equal for equal small tensors, undefined for large ones. Minus zero is not zero. */
function contentKey({ dtype, shape, data }: Tensor): string | undefined {
  if (data.length > 64) return undefined;
  const numbers = Array.from(data as ArrayLike<number | bigint>, (v) => (Object.is(v, -0) ? '-0' : v));
  return `${dtype}:${shape.join(',')}:${numbers.join(',')}`;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Value[] = [];
  readonly #parameters = new Map<string, Parameter>();
  readonly #constants: Constant[] = [];
  readonly #constantByContent = new Map<string, Value>();
  readonly #nodes: Node[] = [];
  readonly #outputs: Output[] = [];
  readonly #names = new Set<string>();
  readonly #producers = new Map<Value, Node>();

  constructor(name: string, base?: Graph) {
    this.#name = name;
    if (base) this.#adopt(base);
  }

  /** Goes on from a finished graph: its values stay usable, its outputs are kept. */
  #adopt(base: Graph): void {
    for (const v of base.inputs) this.#inputs.push(this.#claim(v));
    for (const p of base.parameters) this.#parameters.set(this.#claim(p.value).name, p);
    for (const c of base.constants) this.#keep({ ...c, value: this.#claim(c.value) });
    for (const n of base.nodes) this.#append(n);
    this.#outputs.push(...base.outputs);
  }

  #claim(value: Value): Value {
    if (this.#names.has(value.name)) {
      throw new PixelwiseError('ERR_GRAPH', `The name '${value.name}' is taken twice in graph '${this.#name}'.`);
    }
    this.#names.add(value.name);
    return value;
  }

  #append(node: Node): void {
    for (const v of node.outputs) this.#producers.set(this.#claim(v), node);
    this.#nodes.push(node);
  }

  #freshName(wanted: string): string {
    if (!this.#names.has(wanted)) return wanted;
    for (let i = this.#names.size; ; i++) if (!this.#names.has(`${wanted}_${i}`)) return `${wanted}_${i}`;
  }

  /** The node that makes a value; undefined for inputs, parameters and constants. */
  readonly producerOf = (value: Value): Node | undefined => this.#producers.get(value);

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get inputs(): readonly Value[] {
    return this.#inputs;
  }

  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#claim({ name, dtype, shape });
    this.#inputs.push(value);
    return value;
  }

  /** A tensor (float32 by default) filled from weights, or from `init` (zeros by default). Asking again for a name shares the parameter. */
  parameter(name: string, shape: Shape, options: ParameterOptions = {}): Value {
    const known = this.#parameters.get(name);
    if (known) {
      const [before, now] = [known.value, { dtype: options.dtype ?? 'float32', shape }].map(
        (v) => `${v.dtype} ${formatShape(v.shape)}`,
      );
      if (before !== now) {
        throw new PixelwiseError('ERR_GRAPH', `Parameter '${name}' is used as ${before} and as ${now}.`);
      }
      return known.value;
    }
    const { init = { kind: 'constant', value: 0 }, trainable = true, rate = 1, decay = 1 } = options;
    const value = this.#claim({ name, dtype: options.dtype ?? 'float32', shape });
    this.#parameters.set(name, { value, init, trainable, rate, decay });
    return value;
  }

  /** A constant tensor; small equal constants are kept once. */
  constant(t: Tensor, name = 'constant'): Value {
    const key = contentKey(t);
    const known = key === undefined ? undefined : this.#constantByContent.get(key);
    if (known) return known;
    const value = this.#claim({ name: this.#freshName(name), dtype: t.dtype, shape: t.shape });
    this.#keep({ value, tensor: t });
    return value;
  }

  #keep(constant: Constant): void {
    this.#constants.push(constant);
    const key = contentKey(constant.tensor);
    if (key !== undefined && !this.#constantByContent.has(key)) this.#constantByContent.set(key, constant.value);
  }

  /** A float32 scalar. */
  scalar(v: number): Value {
    return this.constant(floats([], [v]), 'scalar');
  }

  /** Any operator by its ONNX name; `outputs` says how many of its outputs are wanted. */
  node<O extends OpType>(
    op: O,
    inputs: readonly (Value | undefined)[],
    attributes: OpAttributes[O],
    options: { outputs?: number; name?: string } = {},
  ): Value[] {
    const types = inferTypes(op, inputs, attributes).slice(0, options.outputs ?? 1);
    const base = this.#freshName(options.name ?? `${op}_${this.#nodes.length}`);
    const outputs = types.map((t, i) => ({ name: i === 0 ? base : this.#freshName(`${base}:${i}`), ...t }));
    this.#append({ op, name: base, inputs, outputs, attributes } as unknown as Node);
    return outputs;
  }

  /** Any operator with one output. */
  op<O extends OpType>(
    op: O,
    inputs: readonly (Value | undefined)[],
    attributes: OpAttributes[O],
    name?: string,
  ): Value {
    return this.node(op, inputs, attributes, name === undefined ? {} : { name })[0]!;
  }

  /** Convolution of x [N, C, H, W] with w [O, C/group, kh, kw] and bias [O]. */
  conv(x: Value, w: Value, b: Value | undefined, o: ConvOptions = {}): Value {
    const attributes = {
      strides: pair(o.stride ?? 1),
      pads: fourPads(o.pad ?? 0),
      dilations: pair(o.dilation ?? 1),
      group: o.group ?? 1,
    };
    return this.op('Conv', b ? [x, w, b] : [x, w], attributes, o.name);
  }

  /** Transposed convolution ("deconvolution") of x [N, C, H, W] with w [C, O/group, kh, kw]. */
  convTranspose(x: Value, w: Value, b: Value | undefined, o: ConvOptions & { outputPadding?: Square } = {}): Value {
    const attributes = {
      strides: pair(o.stride ?? 1),
      pads: fourPads(o.pad ?? 0),
      dilations: pair(o.dilation ?? 1),
      group: o.group ?? 1,
      output_padding: pair(o.outputPadding ?? 0),
    };
    return this.op('ConvTranspose', b ? [x, w, b] : [x, w], attributes, o.name);
  }

  #poolAttributes(x: Value, o: PoolOptions): { kernel_shape: Pair; strides: Pair; pads: Pads } {
    const k = pair(o.kernel);
    const s = pair(o.stride ?? k);
    const p = pair(o.pad ?? 0);
    const [top, bottom] = o.ceil ? ceilPads(x.shape[2]!, k[0], s[0], p[0]) : [p[0], p[0]];
    const [left, right] = o.ceil ? ceilPads(x.shape[3]!, k[1], s[1], p[1]) : [p[1], p[1]];
    return { kernel_shape: k, strides: s, pads: [top, left, bottom, right] };
  }

  maxPool(x: Value, o: PoolOptions): Value {
    return this.op('MaxPool', [x], this.#poolAttributes(x, o), o.name);
  }

  /**
   * Average pooling. With `countPadding` (PyTorch's default) a window's padding counts in its divisor, but never what
   * ceil rounding adds beyond the padding.
   */
  averagePool(x: Value, o: PoolOptions & { countPadding?: boolean }): Value {
    const attributes = this.#poolAttributes(x, o);
    const count = o.countPadding ?? true;
    const pooled = this.op('AveragePool', [x], { ...attributes, count_include_pad: count ? 1 : 0 }, o.name);
    const p = pair(o.pad ?? 0);
    const overhang = [attributes.pads[2] - p[0], attributes.pads[3] - p[1]];
    if (!count || (overhang[0]! <= 0 && overhang[1]! <= 0)) return pooled;
    const correction = ([0, 1] as const).map((axis) => {
      const n = x.shape[axis + 2]! + 2 * p[axis];
      const k = attributes.kernel_shape[axis];
      return Array.from(
        { length: pooled.shape[axis + 2]! },
        (_, i) => k / Math.min(k, n - i * attributes.strides[axis]),
      );
    });
    const map = correction[0]!.flatMap((v) => correction[1]!.map((u) => u * v));
    return this.op(
      'Mul',
      [pooled, this.constant(floats([1, 1, correction[0]!.length, correction[1]!.length], map))],
      {},
    );
  }

  relu(x: Value, name?: string): Value {
    return this.op('Relu', [x], {}, name);
  }

  add(a: Value, b: Value, name?: string): Value {
    return this.op('Add', [a, b], {}, name);
  }

  sub(a: Value, b: Value): Value {
    return this.op('Sub', [a, b], {});
  }

  mul(a: Value, b: Value, name?: string): Value {
    return this.op('Mul', [a, b], {}, name);
  }

  div(a: Value, b: Value): Value {
    return this.op('Div', [a, b], {});
  }

  concat(values: readonly Value[], axis: number, name?: string): Value {
    return values.length === 1 ? values[0]! : this.op('Concat', values, { axis }, name);
  }

  reshape(x: Value, shape: Shape): Value {
    return formatShape(x.shape) === formatShape(shape) ? x : this.op('Reshape', [x], { shape });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((p, i) => p === i) ? x : this.op('Transpose', [x], { perm });
  }

  /** Cells `[start, end)` along each named axis. */
  slice(
    x: Value,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps?: readonly number[],
    name?: string,
  ): Value {
    const whole = axes.every((a, i) => starts[i] === 0 && ends[i]! >= x.shape[a]! && (steps?.[i] ?? 1) === 1);
    return whole && name === undefined
      ? x
      : this.op('Slice', [x], { starts, ends, axes, steps: steps ?? axes.map(() => 1) }, name);
  }

  pad(x: Value, pads: readonly number[], value = 0): Value {
    return pads.every((p) => p === 0) ? x : this.op('Pad', [x], { pads, value });
  }

  reduceSum(x: Value, axes: readonly number[], keepdims = false): Value {
    return axes.length === 0 ? x : this.op('ReduceSum', [x], { axes, keepdims: keepdims ? 1 : 0 });
  }

  /** Bilinear enlargement to `size`; `alignCorners` puts the corner cells' centres onto each other (Caffe's Interp). */
  resize(x: Value, size: Pair, alignCorners: boolean, name?: string): Value {
    const sizes = [x.shape[0]!, x.shape[1]!, ...size];
    const coordinate_transformation_mode = alignCorners ? 'align_corners' : 'half_pixel';
    return this.op('Resize', [x], { sizes, mode: 'linear', coordinate_transformation_mode }, name);
  }

  /**
   * Caffe's Crop as the papers' nets use it: the part of `x` that lies on `reference`, at the offset that the coordinate
   * algebra finds (SPEC 1.1). Not a centre crop.
   */
  crop(x: Value, reference: Value, name?: string): Value {
    const [top, left] = cropOffset(this.producerOf, x, reference);
    const [h, w] = [reference.shape[2]!, reference.shape[3]!];
    return this.slice(x, [2, 3], [top, left], [top + h, left + w], undefined, name);
  }

  cast(x: Value, to: DType, name?: string): Value {
    return x.dtype === to ? x : this.op('Cast', [x], { to }, name);
  }

  /** int64 constant, for operators that index. */
  int64(values: readonly number[]): Value {
    return this.constant(tensor('int64', [values.length], BigInt64Array.from(values, BigInt)), 'indices');
  }

  output(name: string, value: Value): void {
    if (this.#outputs.some((o) => o.name === name)) {
      throw new PixelwiseError('ERR_GRAPH', `Graph '${this.#name}' already has an output '${name}'.`);
    }
    this.#outputs.push({ name, value });
  }

  finish(): Graph {
    return {
      name: this.#name,
      inputs: [...this.#inputs],
      parameters: this.parameters,
      constants: [...this.#constants],
      nodes: [...this.#nodes],
      outputs: [...this.#outputs],
    };
  }
}
