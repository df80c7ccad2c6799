/**
 * @file Labels of one picture on two threads by networks on whole numbers, enlargement and arg-max included, against PyTorch
 * eager in float32 with the weights that they were quantised from.
 */

import { calibrate } from 'pixelwise';
import { createNodeEngine } from 'pixelwise/engine';
import { floats, type Graph, type NamedTensors } from 'pixelwise/graph';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { inferenceGraph, quantizedNetwork, quantizeWeights } from 'pixelwise/surgery';
import { fill } from './fill.js';
import { type Reply, rules, weightsOf, withLabels } from './infer-fcn-resnet50.js';
import type { Bench } from './main.js';
import { median, Side, serve } from './side.js';
import { bilinear } from './training.js';

interface Setup {
  readonly network: string;
  readonly size: number;
  readonly threads: number;
  /** Script of the other side. */
  readonly peer: string;
}

const setups: Readonly<Record<string, Setup>> = {
  'infer-fcn-resnet50-int8': { network: 'fcn-resnet50', size: 520, threads: 2, peer: 'torch_fcn_resnet50_infer.py' },
  'infer-fcn8s-int8': { network: 'fcn8s-vgg16-clean', size: 512, threads: 2, peer: 'torch_fcn8s_infer.py' },
};
/** Runs before the clock counts. */
const warmup = 2;

const graphOf = ({ network, size }: Setup): Graph =>
  networkGraph(findNetwork(network), { size: [size, size], auxiliary: false });

function allWeights(graph: Graph): NamedTensors {
  const weights = weightsOf(graph);
  for (const { value, init } of graph.parameters) {
    if (init.kind === 'bilinear') weights.set(value.name, floats(value.shape, bilinear(value.shape)));
  }
  return weights;
}

async function ourSide(setup: Setup): Promise<void> {
  const { size, threads } = setup;
  await using engine = createNodeEngine({ threads });
  const network = findNetwork(setup.network);
  const image = floats([1, 3, size, size], fill(3 * size * size, 2, 1000));
  const prepared = inferenceGraph(network, { name: 'image', dtype: 'float32', shape: image.shape });
  const float = allWeights(graphOf(setup));
  const weights = prepared.fold(float);
  const found = await calibrate(() => prepared.graph, weights, [image], { engine, method: 'minmax' });
  const quantized = quantizedNetwork(network, found);
  const program = await engine.compile(withLabels(networkGraph(quantized, { size: [size, size], auxiliary: false })), {
    weights: quantizeWeights(prepared.graph, found, weights),
    transferWeights: true,
  });
  await serve(async () => {
    const began = performance.now();
    const { labels } = await program.run({ image });
    const seconds = (performance.now() - began) / 1000;
    return { seconds, labels: [...(labels!.data as Uint8Array)], version: process.version };
  });
}

const int8Bench = (name: string, setup: Setup): Bench => ({
  steps: 7,
  side: () => ourSide(setup),
  async run({ steps, say }) {
    const peer = Side.peer(setup.peer);
    const sides = { peer, ours: Side.ours(name) };
    const seconds: Record<keyof typeof sides, number[]> = { ours: [], peer: [] };
    const last: Partial<Record<keyof typeof sides, Reply>> = {};
    for (let i = 0; i < warmup + steps; i++) {
      for (const side of ['ours', 'peer'] as const) {
        const filled = i === 0 && side === 'peer' ? rules(graphOf(setup)) : [];
        const reply = await sides[side].ask<Reply>({ size: setup.size, threads: setup.threads, rules: filled });
        last[side] = reply;
        if (i >= warmup) seconds[side].push(reply.seconds);
        say(`${i < warmup ? 'warm-up ' : ''}${i + 1}/${warmup + steps}, ${side}: ${reply.seconds.toFixed(3)} s`);
      }
    }
    await Promise.all([sides.ours.end(), sides.peer.end()]);
    const [a, b] = [last.ours!.labels, last.peer!.labels];
    return {
      ours: median(seconds.ours),
      peer: median(seconds.peer),
      // Of neighbours in time: a machine that others use changes its speed during the run.
      ratio: median(seconds.peer.map((s, i) => s / seconds.ours[i]!)),
      unit: 's/picture',
      // Of weights that nobody trained: scores lie close together, so more labels change than in a trained network.
      otherLabels: a.reduce((n, label, i) => n + (label === b[i] ? 0 : 1), 0) / a.length,
      seconds,
      setup: { ...setup, steps, warmup, peer: last.peer!.version },
    };
  },
});

export const int8Benches: Readonly<Record<string, Bench>> = Object.fromEntries(
  Object.entries(setups).map(([name, setup]) => [name, int8Bench(name, setup)]),
);
