/**
 * @file One training step of FCN-8s VGG16 at 256 x 256, batch 1: SGD with momentum 0.9 and weight decay, dropout on, against
 * PyTorch eager with the same network, numbers and threads.
 */

import { createNodeEngine } from 'pixelwise/engine';
import { floats, type Graph, type NamedTensors, rewrite, tensor } from 'pixelwise/graph';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { TrainingStep } from 'pixelwise/train';
import { fill, squares } from './fill.js';
import type { Bench } from './main.js';
import { type Message, median, peakMemory, Side, serve } from './side.js';

const setup = { size: 256, classes: 21, threads: 2, rate: 2e-5, momentum: 0.9, weightDecay: 5e-4 };
/** Steps before the clock counts: memory is still being found. */
const warmup = 3;
/** Steps without dropout, whose losses both sides must agree on. */
const compared = 4;

interface StepReply extends Message {
  readonly loss: number;
  readonly seconds: number;
}

const network = (): Graph =>
  networkGraph(findNetwork('fcn8s-vgg16-clean'), { classes: setup.classes, size: [setup.size, setup.size] });

/** What each learned parameter is drawn from, for both sides. */
const seeds = (): Record<string, number> =>
  Object.fromEntries(network().parameters.flatMap((p, seed) => (p.trainable ? [[p.value.name, seed]] : [])));

/** Weights as He et al. would draw them, and zero biases; fixed deconvolutions interpolate. */
function weightsOf(graph: Graph): NamedTensors {
  const drawn: NamedTensors = new Map();
  for (const [seed, { value, trainable }] of graph.parameters.entries()) {
    const length = value.shape.reduce((n, d) => n * d, 1);
    const fan = value.shape.slice(1).reduce((n, d) => n * d, 1);
    const bound = value.name.endsWith('.bias') ? 0 : Math.sqrt(6 / fan);
    const data = trainable ? fill(length, bound, seed) : bilinear(value.shape);
    drawn.set(value.name, floats(value.shape, data));
  }
  return drawn;
}

function bilinear([channels = 0, , k = 0]: readonly number[]): Float32Array {
  const line = Array.from({ length: k }, (_, i) => 1 - Math.abs(i - (k - 1) / 2) / (k / 2));
  return Float32Array.from({ length: channels * k * k }, (_, i) => line[Math.floor(i / k) % k]! * line[i % k]!);
}

const withoutDropout = (graph: Graph): Graph =>
  rewrite(graph, (node, inputs) => (node.op === 'Dropout' ? [inputs[0]!] : undefined)).b.finish();

async function ourSide(): Promise<void> {
  const { size, classes, threads, rate, momentum, weightDecay } = setup;
  const engine = createNodeEngine({ threads, backend: 'native' });
  let step: TrainingStep | undefined;
  let update = 0;
  const image = floats([1, 3, size, size], fill(3 * size * size, 1.7, 1000));
  const labels = tensor('uint8', [1, size, size], squares(size, classes, 1001));
  await serve(async ({ kind, dropout }) => {
    if (kind === 'start') {
      await step?.dispose();
      const graph = dropout ? network() : withoutDropout(network());
      step = await TrainingStep.create(engine, graph, weightsOf(graph), {
        optimizer: { kind: 'sgd', momentum, weightDecay },
        seed: 1337,
        transfer: true,
      });
      return {};
    }
    if (kind === 'step' && step) {
      const began = performance.now();
      const [loss] = await step.run([{ image, labels }], update++, rate);
      return { loss, seconds: (performance.now() - began) / 1000 };
    }
    return { bytes: peakMemory(), version: process.version };
  });
  await engine.close();
}

type Sides = Record<'ours' | 'peer', Side>;

/** The peer first: without its Python nothing should start. */
function openSides(): Sides {
  const peer = Side.peer('torch_fcn8s_train.py');
  return { ours: Side.ours('train-fcn8s'), peer };
}

async function start(sides: Sides, dropout: boolean): Promise<void> {
  for (const side of [sides.ours, sides.peer]) await side.ask({ ...setup, seeds: seeds(), kind: 'start', dropout });
}

/** The first losses of both sides without dropout: the same numbers, up to rounding. */
async function firstLosses(): Promise<Record<keyof Sides, number[]>> {
  const sides = openSides();
  const losses: Record<keyof Sides, number[]> = { ours: [], peer: [] };
  await start(sides, false);
  for (let i = 0; i < compared; i++) {
    for (const name of ['ours', 'peer'] as const) {
      losses[name].push((await sides[name].ask<StepReply>({ kind: 'step' })).loss);
    }
  }
  await Promise.all([sides.ours.end(), sides.peer.end()]);
  return losses;
}

export const trainFcn8s: Bench = {
  side: ourSide,
  async run({ steps, say }) {
    say('first losses of both sides, without dropout ...');
    const losses = await firstLosses();
    const sides = openSides();
    const seconds: Record<keyof Sides, number[]> = { ours: [], peer: [] };
    await start(sides, true);
    for (let i = 0; i < warmup + steps; i++) {
      for (const name of ['ours', 'peer'] as const) {
        const reply = await sides[name].ask<StepReply>({ kind: 'step' });
        if (i >= warmup) seconds[name].push(reply.seconds);
        say(`${i < warmup ? 'warm-up ' : ''}step ${i + 1}/${warmup + steps}, ${name}: ${reply.seconds.toFixed(3)} s`);
      }
    }
    const [mine, theirs] = [await sides.ours.ask({ kind: 'memory' }), await sides.peer.ask({ kind: 'memory' })];
    await Promise.all([sides.ours.end(), sides.peer.end()]);
    const [ours, peer] = [median(seconds.ours), median(seconds.peer)];
    const [ourBytes, peerBytes] = [Number(mine.bytes), Number(theirs.bytes)];
    return {
      ours,
      peer,
      ratio: peer / ours,
      unit: 's/step',
      memory: { ours: ourBytes, peer: peerBytes, unit: 'bytes' },
      memoryRatio: ourBytes / peerBytes,
      losses,
      seconds,
      setup: { ...setup, batch: 1, steps, warmup, peer: theirs.version },
    };
  },
};
