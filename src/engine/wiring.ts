/** @file How a program is wired to a state: which stretch feeds each parameter, and where each update goes. */

import { PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { type Shape, sizeOf } from '../graph/tensor.js';
import { mayOverwrite } from './alias.js';
import type { Place } from './engine.js';

/** An input taken from the state at every run, in the shape that the program wants. */
export interface StateInput extends Place {
  readonly input: string;
  readonly shape: Shape;
}

/** An output that the state keeps. */
export interface Update extends Place {
  readonly output: string;
  readonly shape: Shape;
  /** The state's buffer may be written while the program runs (see alias.ts). */
  readonly inPlace: boolean;
}

/** The parameters that no weights fill, each from its place or from the tensor of its name. */
export function stateInputsOf(
  graph: Graph,
  isWeight: (name: string) => boolean,
  places: Readonly<Record<string, Place>>,
): readonly StateInput[] {
  return graph.parameters
    .map((p) => p.value)
    .filter((v) => !isWeight(v.name))
    .map(({ name, shape }) => ({ ...(places[name] ?? { tensor: name, start: 0 }), input: name, shape }));
}

/** Whether two stretches of the state share an element. */
function overlap(a: Place, aSize: number, b: Place, bSize: number): boolean {
  return a.tensor === b.tensor && a.start < b.start + bSize && b.start < a.start + aSize;
}

/** @throws ERR_ENGINE for an update from an output that the graph lacks */
export function updatesOf(
  graph: Graph,
  inputs: readonly StateInput[],
  updates: Readonly<Record<string, string | Place>>,
): readonly Update[] {
  const byTensor = new Map<string, StateInput[]>();
  for (const input of inputs) {
    const list = byTensor.get(input.tensor);
    if (list) list.push(input);
    else byTensor.set(input.tensor, [input]);
  }
  const values = new Map(graph.outputs.map((o) => [o.name, o.value]));
  return Object.entries(updates).map(([output, target]) => {
    const place = typeof target === 'string' ? { tensor: target, start: 0 } : target;
    const value = values.get(output);
    if (!value) {
      throw new PixelwiseError(
        'ERR_ENGINE',
        `Graph '${graph.name}' has no output '${output}' to update '${place.tensor}' with.`,
      );
    }
    const size = sizeOf(value.shape);
    const inPlace = (byTensor.get(place.tensor) ?? [])
      .filter((i) => overlap(i, sizeOf(i.shape), place, size))
      .every((i) => i.start === place.start && mayOverwrite(graph, i.input, output));
    return { ...place, output, shape: value.shape, inPlace };
  });
}
