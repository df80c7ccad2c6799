/** @file Draws a graph again on an input of another shape: what follows from shapes is worked out anew. */

import { PixelwiseError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, Value } from '../graph/ir.js';
import type { Shape } from '../graph/tensor.js';

/** Values of the old graph and what stands for them in the new one. */
export class Drawing {
  readonly b: GraphBuilder;
  readonly #moved = new Map<Value, Value>();

  /** Parameters and constants are taken over; the only input gets the shape given. */
  constructor(graph: Graph, shape: Shape, name: string) {
    const input = imageOf(graph);
    this.b = new GraphBuilder(name, { ...graph, inputs: [], nodes: [], outputs: [] });
    this.put(input, this.b.input(input.name, input.dtype, shape));
  }

  at(old: Value): Value {
    return this.#moved.get(old) ?? old;
  }

  put(old: Value, now: Value): void {
    this.#moved.set(old, now);
  }

  inputsOf(node: Node): (Value | undefined)[] {
    return node.inputs.map((v) => v && this.at(v));
  }

  /** The node as it is, on whatever stands for its inputs. */
  copy(node: Node, attributes: Node['attributes'] = node.attributes): void {
    const made = this.b.node(node.op, this.inputsOf(node), attributes as never, {
      outputs: node.outputs.length,
      name: node.name,
    });
    for (const [i, v] of node.outputs.entries()) this.put(v, made[i]!);
  }
}

/** The picture that a graph reads. */
export function imageOf(graph: Graph): Value {
  const [image, ...others] = graph.inputs;
  if (image && others.length === 0 && image.shape.length === 4) return image;
  throw new PixelwiseError(
    'ERR_GRAPH',
    `Graph '${graph.name}': expected one input [N, C, H, W], received ${graph.inputs.map((v) => `'${v.name}' [${v.shape}]`).join(', ') || 'none'}.`,
    { subject: graph.name },
  );
}

/** The only output; of several the first. */
export function mapOf(graph: Graph): Value {
  const value = graph.outputs[0]?.value;
  if (value?.shape.length === 4) return value;
  throw new PixelwiseError(
    'ERR_GRAPH',
    `Graph '${graph.name}': expected a map [N, C, h, w] as its output, received ${value ? `[${value.shape}]` : 'none'}. ` +
      'A classifier must be made fully convolutional first.',
    { subject: graph.name },
  );
}

/** The nodes that a value needs, in order. */
export function nodesFor(graph: Graph, value: Value): Node[] {
  const wanted = new Set<Value>([value]);
  const needed: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((v) => wanted.has(v))) continue;
    for (const v of node.inputs) if (v) wanted.add(v);
    needed.push(node);
  }
  return needed.reverse();
}

/** The values that depend on the graph's input: everything else (weights turned into other shapes) is the same at any size. */
export function picturesOf(graph: Graph): Set<Value> {
  const pictures = new Set<Value>(graph.inputs);
  for (const node of graph.nodes) {
    if (node.inputs.some((v) => v && pictures.has(v))) for (const v of node.outputs) pictures.add(v);
  }
  return pictures;
}
