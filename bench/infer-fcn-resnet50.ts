/**
 * @file Labels of one picture by FCN-ResNet50 at 520 x 520 on two threads, enlargement and arg-max included, against PyTorch
 * eager in float32 with the same weights. The auxiliary head is built by neither side.
 */

import { createNodeEngine } from 'pixelwise/engine';
import { floats, type Graph, type NamedTensors, rewrite } from 'pixelwise/graph';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { fill } from './fill.js';
import type { Bench } from './main.js';
import { type Message, median, Side, serve } from './side.js';

const setup = { size: 520, threads: 2 };
/** Runs before the clock counts. */
const warmup = 2;

export interface Reply extends Message {
  readonly seconds: number;
  /** The class of every pixel. */
  readonly labels: readonly number[];
}

const network = (): Graph => networkGraph(findNetwork('fcn-resnet50'), { size: [520, 520], auxiliary: false });

/**
 * How each parameter is filled, for both sides: kernels as He et al. would draw them, statistics near 0 and 1. Interpolating
 * kernels, which nobody learns, are not among them.
 */
export const rules = (graph: Graph): { name: string; seed: number; bound: number; base: number }[] =>
  graph.parameters.flatMap(({ value: { name, shape }, init }, seed) => {
    if (init.kind === 'bilinear') return [];
    const fan = shape.slice(1).reduce((n, d) => n * d, 1);
    if (shape.length > 1) return { name, seed, bound: Math.sqrt(6 / fan), base: 0 };
    // Sixteen residual sums would grow without end if every branch came out as strong as it went in.
    if (/bn3\.weight$/.test(name)) return { name, seed, bound: 0.05, base: 0.2 };
    return /running_var$|\.weight$/.test(name)
      ? { name, seed, bound: 0.1, base: 1 }
      : { name, seed, bound: 0.1, base: 0 };
  });

export function weightsOf(graph: Graph): NamedTensors {
  const shapes = new Map(graph.parameters.map((p) => [p.value.name, p.value.shape]));
  return new Map(
    rules(graph).map(({ name, seed, bound, base }) => {
      const shape = shapes.get(name)!;
      const data = fill(
        shape.reduce((n, d) => n * d, 1),
        bound,
        seed,
      );
      return [name, floats(shape, base === 0 ? data : data.map((v) => v + base))] as const;
    }),
  );
}

/** Scores to labels inside the graph. */
export function withLabels(graph: Graph): Graph {
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined);
  const best = b.op('ArgMax', [substituteOf(graph.outputs[0]!.value)], { axis: 1, keepdims: 0 });
  b.output('labels', b.cast(best, 'uint8'));
  return b.finish();
}

async function ourSide(): Promise<void> {
  const { size, threads } = setup;
  await using engine = createNodeEngine({ threads });
  const graph = network();
  const program = await engine.compile(withLabels(graph), { weights: weightsOf(graph), transferWeights: true });
  const image = floats([1, 3, size, size], fill(3 * size * size, 2, 1000));
  await serve(async () => {
    const began = performance.now();
    const { labels } = await program.run({ image });
    const seconds = (performance.now() - began) / 1000;
    return { seconds, labels: [...(labels!.data as Uint8Array)], version: process.version };
  });
}

export const inferFcnResnet50: Bench = {
  steps: 7,
  side: ourSide,
  async run({ steps, say }) {
    const peer = Side.peer('torch_fcn_resnet50_infer.py');
    const sides = { peer, ours: Side.ours('infer-fcn-resnet50') };
    const seconds: Record<keyof typeof sides, number[]> = { ours: [], peer: [] };
    const last: Partial<Record<keyof typeof sides, Reply>> = {};
    for (let i = 0; i < warmup + steps; i++) {
      for (const name of ['ours', 'peer'] as const) {
        const reply = await sides[name].ask<Reply>({
          ...setup,
          rules: i === 0 && name === 'peer' ? rules(network()) : [],
        });
        last[name] = reply;
        if (i >= warmup) seconds[name].push(reply.seconds);
        say(`${i < warmup ? 'warm-up ' : ''}${i + 1}/${warmup + steps}, ${name}: ${reply.seconds.toFixed(3)} s`);
      }
    }
    await Promise.all([sides.ours.end(), sides.peer.end()]);
    const [a, b] = [last.ours!.labels, last.peer!.labels];
    const other = a.reduce((n, label, i) => n + (label === b[i] ? 0 : 1), 0);
    const [ours, theirs] = [median(seconds.ours), median(seconds.peer)];
    return {
      ours,
      peer: theirs,
      // Of neighbours in time: a machine that others use changes its speed during the run.
      ratio: median(seconds.peer.map((s, i) => s / seconds.ours[i]!)),
      unit: 's/picture',
      otherLabels: other / a.length,
      classesSeen: new Set(a).size,
      seconds,
      setup: { ...setup, steps, warmup, peer: last.peer!.version },
    };
  },
};
