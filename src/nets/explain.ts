/**
 * @file A network taken apart: every layer with its map, field and cost, and for every crop the coordinate algebra that finds
 * its offset, or the reason why there is none.
 */

import { PixelwiseError } from '../errors.js';
import { type ConvOptions, GraphBuilder, type PoolOptions } from '../graph/builder.js';
import { type CoordinateMap, compose, coordinateMap, cropOffset } from '../graph/coordinates.js';
import type { Graph, Node, Pair, Value } from '../graph/ir.js';
import { countMacs } from '../graph/macs.js';
import { type FieldBox, fieldBox, type ReceptiveField, receptiveFields } from '../graph/receptive-field.js';
import { sizeOf } from '../graph/tensor.js';
import { learnable } from './count.js';
import { type BuildOptions, inputChannels, type Network, networkGraph } from './network.js';

export interface Layer {
  readonly name: string;
  /** Operators, the layer's own first: `Conv`, `Relu`. */
  readonly operators: readonly string[];
  /** What can be changed about it: `7x7, stride 1, pad 0`; empty for most. */
  readonly window: string;
  readonly channels: number;
  /** Height and width of its map. */
  readonly size: Pair;
  readonly field: ReceptiveField;
  /** Numbers that are learned. A shared one counts where it is used first. */
  readonly parameters: number;
  readonly macs: number;
}

/** One layer of a chain, and where the cells of the map below lie in its own. */
export interface CropStep {
  readonly layer: string;
  readonly window: string;
  /** top = scale * bottom + shift. */
  readonly map: CoordinateMap;
  /** The same from the chain's beginning to here. */
  readonly composed: CoordinateMap;
}

export interface Crop {
  readonly name: string;
  /** The map that is cut, and the one whose place and size it takes. */
  readonly cropped: string;
  readonly reference: string;
  readonly croppedSize: Pair;
  readonly referenceSize: Pair;
  /** Where both chains begin. */
  readonly ancestor: string;
  readonly toCropped: readonly CropStep[];
  readonly toReference: readonly CropStep[];
  /** From cells of the cropped map to cells of the reference. */
  readonly map: CoordinateMap;
  /** Rows and columns cut from top and left; absent where the maps do not align. */
  readonly offset?: Pair;
  /** Why there is no offset. */
  readonly refusal?: string;
}

export interface Explanation {
  readonly network: Network;
  readonly input: Pair;
  readonly layers: readonly Layer[];
  readonly crops: readonly Crop[];
  readonly parameters: number;
  readonly macs: number;
  /** The first crop that cannot be: the network ends there. */
  readonly refusal?: string;
  /** The exact field of the middle cell of a layer's map. */
  boxOf(layer: Layer): FieldBox | undefined;
}

/** Other numbers for layers, by name: `{ conv1_1: { pad: 1 } }`. */
export type Changes = Readonly<Record<string, Pick<ConvOptions, 'pad' | 'stride' | 'dilation'>>>;

export interface ExplainOptions extends Pick<BuildOptions, 'upsampling'> {
  /** Height and width; by default the network's own. */
  readonly size?: Pair;
  /** What if a layer had another padding, stride or dilation? */
  readonly changes?: Changes;
}

/** Ends a network at a crop that cannot be. */
class Refused extends Error {}

/** Draws a network while writing down its crops, with changed layers where asked. */
class Explainer extends GraphBuilder {
  readonly crops: { cropped: Value; reference: Value; name: string; refusal?: string }[] = [];
  readonly changed = new Set<string>();
  readonly #changes: Changes;

  constructor(name: string, changes: Changes) {
    super(name);
    this.#changes = changes;
  }

  #changedOptions<T extends ConvOptions | PoolOptions>(o: T): T {
    const change = o.name === undefined || !Object.hasOwn(this.#changes, o.name) ? undefined : this.#changes[o.name];
    if (!change || o.name === undefined) return o;
    this.changed.add(o.name);
    return { ...o, ...change } as T;
  }

  override conv(x: Value, w: Value, b: Value | undefined, o: ConvOptions = {}): Value {
    return super.conv(x, w, b, this.#changedOptions(o));
  }

  override convTranspose(...[x, w, b, o = {}]: Parameters<GraphBuilder['convTranspose']>): Value {
    return super.convTranspose(x, w, b, this.#changedOptions(o));
  }

  override maxPool(x: Value, o: PoolOptions): Value {
    return super.maxPool(x, this.#changedOptions(o));
  }

  override crop(cropped: Value, reference: Value, name = `${cropped.name} cut`): Value {
    const entry = { cropped, reference, name };
    try {
      cropOffset(this.producerOf, cropped, reference);
    } catch (error) {
      if (!(error instanceof PixelwiseError)) throw error;
      this.crops.push({ ...entry, refusal: error.message });
      throw new Refused();
    }
    this.crops.push(entry);
    return super.crop(cropped, reference, name);
  }
}

const text = (v: Pair): string => (v[0] === v[1] ? String(v[0]) : v.join('x'));

/** Kernel, stride, padding and dilation of a node, as far as they say anything. */
function windowText(node: Node): string {
  if (node.op === 'Slice') {
    const { starts, axes } = node.attributes;
    return axes.some((a) => a === 2 || a === 3) ? `from ${[...new Set(starts)].join('x')}` : '';
  }
  if (node.op === 'Resize') return `bilinear, ${node.attributes.coordinate_transformation_mode}`;
  if (node.op !== 'Conv' && node.op !== 'ConvTranspose' && node.op !== 'MaxPool' && node.op !== 'AveragePool')
    return '';
  const a = node.attributes;
  const kernel = 'kernel_shape' in a ? a.kernel_shape : (node.inputs[1]!.shape.slice(2) as unknown as Pair);
  const [top, left, bottom, right] = a.pads;
  const pad = top === bottom && left === right ? text([top, left]) : `${a.pads.join(',')}`;
  const parts = [`${kernel.join('x')}`, `stride ${text(a.strides)}`, `pad ${pad}`];
  if ('dilations' in a && text(a.dilations) !== '1') parts.push(`dilation ${text(a.dilations)}`);
  if ('group' in a && a.group > 1) parts.push(`${a.group} groups`);
  return parts.join(', ');
}

/** What is shown in the line of the layer before it: it changes no size. */
const follows = new Set<Node['op']>([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Sigmoid',
  'BatchNormalization',
  'Dropout',
  'Identity',
]);

function layersOf(
  graph: Graph,
  fields: ReadonlyMap<Value, ReceptiveField>,
): { layers: Layer[]; values: Map<Layer, Value> } {
  const counted = new Set<Value>();
  const trainable = new Set(graph.parameters.filter((p) => p.trainable).map((p) => p.value));
  /** What values without a place in the picture are made of: their parameters count where they are used. */
  const made = new Map<Value, readonly (Value | undefined)[]>();
  const countOf = (v: Value | undefined): number => {
    if (!v || counted.has(v)) return 0;
    counted.add(v);
    if (trainable.has(v)) return sizeOf(v.shape);
    return (made.get(v) ?? []).reduce((sum, part) => sum + countOf(part), 0);
  };
  const parametersOf = (node: Node): number => node.inputs.reduce((sum, v) => sum + countOf(v), 0);
  const values = new Map<Layer, Value>();
  const layers: Layer[] = [];
  let last: Value | undefined;
  for (const node of graph.nodes) {
    const value = node.outputs[0]!;
    const field = fields.get(value);
    // Arithmetic on constants and parameters alone is no layer, nor is what has lost its place in the picture.
    if (!field) {
      made.set(value, node.inputs);
      continue;
    }
    const parameters = parametersOf(node);
    const before = layers.at(-1);
    const joins = follows.has(node.op) && before && node.inputs[0] === last;
    const layer: Layer = joins
      ? { ...before, operators: [...before.operators, node.op], parameters: before.parameters + parameters }
      : {
          name: node.name,
          operators: [node.op],
          window: windowText(node),
          channels: value.shape[1]!,
          size: [value.shape.at(-2)!, value.shape.at(-1)!],
          field,
          parameters,
          macs: countMacs({ ...graph, nodes: [node] }),
        };
    if (joins) {
      values.delete(before);
      layers.pop();
    }
    layers.push(layer);
    values.set(layer, value);
    last = value;
  }
  return { layers, values };
}

/** For every picture that `value` is computed from, the nodes from there to `value`, by the shortest way. */
function chain(b: GraphBuilder, fields: ReadonlyMap<Value, ReceptiveField>, value: Value): Map<Value, Node[]> {
  const ways = new Map<Value, Node[]>([[value, []]]);
  for (const [at, way] of ways) {
    const node = b.producerOf(at);
    for (const bottom of node?.inputs ?? []) {
      if (node && bottom && fields.has(bottom) && !ways.has(bottom)) ways.set(bottom, [node, ...way]);
    }
  }
  return ways;
}

const identity: CoordinateMap = { scale: [1, 1], shift: [0, 0] };
const isIdentity = ({ scale, shift }: CoordinateMap): boolean =>
  [...scale, ...shift].every((v, i) => Math.abs(v - (i < 2 ? 1 : 0)) < 1e-9);

/** The nodes of a chain with their maps. What leaves coordinates as they are is left out. */
function stepsOf(b: GraphBuilder, from: Value, way: readonly Node[]): CropStep[] {
  let composed = identity;
  let bottom = from;
  return way.flatMap((node) => {
    const [top] = node.outputs as [Value];
    const map = coordinateMap(b.producerOf, bottom, top);
    composed = compose(map, composed);
    bottom = top;
    return isIdentity(map) ? [] : [{ layer: node.name, window: windowText(node), map, composed }];
  });
}

function cropsOf(b: Explainer, fields: ReadonlyMap<Value, ReceptiveField>): Crop[] {
  return b.crops.map(({ cropped, reference, name, refusal }) => {
    const [a, c] = [chain(b, fields, cropped), chain(b, fields, reference)];
    const ancestor = [...c.keys()].find((v) => a.has(v)) ?? cropped;
    return {
      name,
      cropped: cropped.name,
      reference: reference.name,
      croppedSize: [cropped.shape[2]!, cropped.shape[3]!],
      referenceSize: [reference.shape[2]!, reference.shape[3]!],
      ancestor: ancestor.name,
      toCropped: stepsOf(b, ancestor, a.get(ancestor) ?? []),
      toReference: stepsOf(b, ancestor, c.get(ancestor) ?? []),
      map: coordinateMap(b.producerOf, cropped, reference),
      ...(refusal === undefined ? { offset: cropOffset(b.producerOf, cropped, reference) } : { refusal }),
    };
  });
}

/**
 * Takes a network apart at one input size.
 *
 * @throws ERR_SHAPE for a size it cannot run on, ERR_USAGE for a change to a layer that it does not have. A crop that cannot
 *   be is no error: the explanation ends there, and says why
 */
export function explain(network: Network, options: ExplainOptions = {}): Explanation {
  const { size = network.inputSize, changes = {}, ...build } = options;
  // Checks the size.
  networkGraph(network, { size, ...build });
  const b = new Explainer(network.name, changes);
  const image = b.input('image', 'float32', [1, inputChannels(network), ...size]);
  let refused = false;
  try {
    network.build(b, image, { auxiliary: false, ...build });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refused = true;
  }
  const graph = b.finish();
  const missing = Object.keys(changes).filter((name) => !b.changed.has(name));
  if (missing.length > 0) {
    const known = graph.nodes.flatMap((n) => (/^(Conv|ConvTranspose|MaxPool)$/.test(n.op) ? [n.name] : []));
    throw new PixelwiseError(
      'ERR_USAGE',
      `${network.name} has no layer '${missing.join("', '")}' whose window could be changed. Expected one of ${known.join(', ')}.`,
      { subject: network.name },
    );
  }
  const fields = receptiveFields(graph);
  const { layers, values } = layersOf(graph, fields);
  const crops = cropsOf(b, fields);
  const refusal = refused ? crops.at(-1)?.refusal : undefined;
  return {
    network,
    input: size,
    layers,
    crops,
    parameters: learnable(graph),
    macs: countMacs(graph),
    ...(refusal !== undefined && { refusal }),
    boxOf: (layer) => {
      const value = values.get(layer);
      return value && fieldBox(graph, value, [Math.floor(layer.size[0] / 2), Math.floor(layer.size[1] / 2)]);
    },
  };
}
