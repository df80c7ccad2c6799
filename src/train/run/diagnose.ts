/** @file Where numbers stopped being finite: the first layer of the network, or its parameter, on the batch that failed. */

import type { Engine, State } from '../../engine/engine.js';
import type { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Node, Value } from '../../graph/ir.js';
import type { Tensor } from '../../graph/tensor.js';
import { trainingMode } from '../../surgery/training-mode.js';

/** A place where a value may stop being finite. */
interface Probe {
  readonly layer: string;
  readonly what: string;
  readonly value: Value;
}

export interface Finding {
  readonly layer: string;
  /** A sentence about it. */
  readonly text: string;
}

/** A layer is called by its parameters, `conv1` for `conv1.weight`; one without any by its node. */
function layerOf(node: Node, parameters: ReadonlySet<Value>): string {
  const own = node.inputs.find((v) => v && parameters.has(v));
  return own ? own.name.replace(/\.[^.]*$/, '') : node.name;
}

/** In the order of the network: what each node is given of parameters, then what it makes. */
function probesOf(b: GraphBuilder): Probe[] {
  const parameters = new Set(b.parameters.map((p) => p.value));
  const seen = new Set<Value>();
  return b.nodes.flatMap((node) => {
    const layer = layerOf(node, parameters);
    const given = node.inputs.filter((v): v is Value => v !== undefined && parameters.has(v) && !seen.has(v));
    const made = node.outputs.slice(0, 1).filter((v) => v.dtype === 'float32');
    for (const v of given) seen.add(v);
    return [
      ...given.map((value) => ({ layer, what: `parameter '${value.name}'`, value })),
      ...made.map((value) => ({ layer, what: `output of layer '${layer}' (${node.op})`, value })),
    ];
  });
}

/** The network as it learns, with one number per probe as its only output: 0, or NaN where something is not finite. */
function probed(network: Graph, options: { batchNorm?: 'batch' | 'frozen' }): { graph: Graph; probes: Probe[] } {
  const { b } = trainingMode(network, options);
  const probes = probesOf(b);
  const sums = probes.map(({ value }) => {
    const axes = value.shape.map((_, i) => i);
    // x - x is 0 for every finite x and NaN for any other.
    const zero = b.op('Sub', [value, value], {});
    const sum = axes.length > 0 ? b.op('ReduceSum', [zero], { axes, keepdims: 0 }) : zero;
    return b.op('Reshape', [sum], { shape: [1] });
  });
  b.output('probes', b.op('Concat', sums, { axis: 0 }));
  const { outputs, ...rest } = b.finish();
  return { graph: { ...rest, name: 'diagnosis', outputs: outputs.slice(-1) }, probes };
}

/**
 * Runs the network once more on the feeds of a step that failed.
 *
 * @returns undefined where everything up to the scores is finite
 */
export async function firstNonFinite(
  engine: Engine,
  state: State,
  network: Graph,
  options: { batchNorm?: 'batch' | 'frozen' },
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Finding | undefined> {
  const { graph, probes } = probed(network, options);
  const program = await engine.compile(graph, { state });
  try {
    const result = await program.run(Object.fromEntries(graph.inputs.map(({ name }) => [name, feeds[name] as Tensor])));
    const values = result.probes?.data ?? [];
    const found = probes.find((_, i) => Number.isNaN(values[i]));
    return found && { layer: found.layer, text: `The first value that is not finite is in the ${found.what}.` };
  } finally {
    await program.dispose();
  }
}
