/**
 * @file Training steps against PyTorch eager: the same network, numbers, loss, optimiser and threads on both sides. One table
 * line per benchmark.
 */

import { createNodeEngine } from 'pixelwise/engine';
import { floats, type Graph, type NamedTensors, rewrite, tensor } from 'pixelwise/graph';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { TrainingStep } from 'pixelwise/train';
import { fill, squares } from './fill.js';
import type { Bench } from './main.js';
import { type Message, median, peakMemory, Side, serve } from './side.js';

interface Setup {
  readonly network: string;
  readonly size: number;
  readonly batch: number;
  /** The outputs that a loss looks at; batch normalisation, where there is any, takes the batch's statistics. */
  readonly outputs: readonly string[];
  /** The peer takes labels from every n-th row and column: the stride of the score map that the loss looks at. */
  readonly step: number;
}

/** Stochastic gradient descent as Caffe and torchvision set it up; the rate is small, so that losses stay comparable. */
const common = { classes: 21, threads: 2, rate: 2e-5, momentum: 0.9, weightDecay: 5e-4, auxiliary: 0.5 };
/** Steps before the clock counts: memory is still being found. */
const warmup = 2;
/** Steps without dropout, whose losses both sides must agree on. */
const compared = 3;

interface StepReply extends Message {
  readonly loss: number;
  readonly seconds: number;
  /** Processor time of all threads: what a step costs while others share the machine. */
  readonly processor: number;
}

function graphOf({ network, size, batch, outputs }: Setup): Graph {
  const auxiliary = outputs.includes('auxiliary');
  const o = { classes: common.classes, size: [size, size] as const, batch, outputs, auxiliary };
  return networkGraph(findNetwork(network), o);
}

/** What each learned parameter is drawn from, for both sides, and how it learns. */
const drawn = (graph: Graph): Record<string, Message> =>
  Object.fromEntries(
    graph.parameters.flatMap(({ value, trainable, rate, decay }, seed) =>
      trainable ? [[value.name, { seed, rate, decay }]] : [],
    ),
  );

const filled = (length: number, value: number): Float32Array => new Float32Array(length).fill(value);

/** Weights as He et al. would draw them; biases and means 0, factors and variances 1; fixed deconvolutions interpolate. */
function weightsOf(graph: Graph): NamedTensors {
  const weights: NamedTensors = new Map();
  for (const [seed, { value, trainable }] of graph.parameters.entries()) {
    const { name, shape } = value;
    const length = shape.reduce((n, d) => n * d, 1);
    const fan = shape.slice(1).reduce((n, d) => n * d, 1);
    const make = (): Float32Array => {
      if (shape.length === 1) return filled(length, /\.(weight|running_var)$/.test(name) ? 1 : 0);
      return trainable ? fill(length, Math.sqrt(6 / fan), seed) : bilinear(shape);
    };
    weights.set(name, floats(shape, make()));
  }
  return weights;
}

/** Interpolating kernels [channels, 1, k, k]. */
export function bilinear([channels = 0, , k = 0]: readonly number[]): Float32Array {
  const line = Array.from({ length: k }, (_, i) => 1 - Math.abs(i - (k - 1) / 2) / (k / 2));
  return Float32Array.from({ length: channels * k * k }, (_, i) => line[Math.floor(i / k) % k]! * line[i % k]!);
}

const withoutDropout = (graph: Graph): Graph =>
  rewrite(graph, (node, inputs) => (node.op === 'Dropout' ? [inputs[0]!] : undefined)).b.finish();

/** One label map per picture. */
function labelsOf({ size, batch }: Setup): Uint8Array {
  const labels = new Uint8Array(batch * size * size);
  for (let n = 0; n < batch; n++) labels.set(squares(size, common.classes, 1001 + n), n * size * size);
  return labels;
}

async function ourSide(setup: Setup): Promise<void> {
  const { size, batch, outputs } = setup;
  const { threads, rate, momentum, weightDecay } = common;
  const engine = createNodeEngine({ threads, backend: 'native' });
  let step: TrainingStep | undefined;
  let update = 0;
  const image = floats([batch, 3, size, size], fill(batch * 3 * size * size, 1.7, 1000));
  const labels = tensor('uint8', [batch, size, size], labelsOf(setup));
  await serve(async ({ kind, dropout }) => {
    if (kind === 'start') {
      await step?.dispose();
      const graph = dropout ? graphOf(setup) : withoutDropout(graphOf(setup));
      step = await TrainingStep.create(engine, graph, weightsOf(graph), {
        optimizer: { kind: 'sgd', momentum, weightDecay },
        seed: 1337,
        transfer: true,
        on: outputs.includes('low') ? 'low' : 'scores',
        ...(outputs.includes('auxiliary') && { auxiliary: common.auxiliary }),
      });
      return {};
    }
    if (kind === 'step' && step) {
      const before = process.cpuUsage();
      const began = performance.now();
      const [loss] = await step.run([{ image, labels }], update++, rate);
      const seconds = (performance.now() - began) / 1000;
      const { user, system } = process.cpuUsage(before);
      return { loss, seconds, processor: (user + system) / 1e6 };
    }
    return { bytes: peakMemory(), version: process.version };
  });
  await engine.close();
}

type Sides = Record<'ours' | 'peer', Side>;

/** The peer first: without its Python nothing should start. */
async function openSides(name: string, setup: Setup, dropout: boolean): Promise<Sides> {
  const peer = Side.peer('torch_train.py');
  const sides = { ours: Side.ours(name), peer };
  const parameters = drawn(graphOf(setup));
  for (const side of [sides.ours, sides.peer]) {
    await side.ask({ ...common, ...setup, parameters, kind: 'start', dropout });
  }
  return sides;
}

/** The first losses of both sides without dropout: the same numbers, up to rounding. */
async function firstLosses(name: string, setup: Setup): Promise<Record<keyof Sides, number[]>> {
  const sides = await openSides(name, setup, false);
  const losses: Record<keyof Sides, number[]> = { ours: [], peer: [] };
  for (let i = 0; i < compared; i++) {
    for (const side of ['ours', 'peer'] as const) {
      losses[side].push((await sides[side].ask<StepReply>({ kind: 'step' })).loss);
    }
  }
  await Promise.all([sides.ours.end(), sides.peer.end()]);
  return losses;
}

function trainingBench(name: string, setup: Setup): Bench {
  return {
    side: () => ourSide(setup),
    async run({ steps, say }) {
      say('first losses of both sides, without dropout ...');
      const losses = await firstLosses(name, setup);
      say(`ours ${losses.ours.join(' ')}\npeer ${losses.peer.join(' ')}`);
      const sides = await openSides(name, setup, true);
      const seconds: Record<keyof Sides, number[]> = { ours: [], peer: [] };
      const processor: Record<keyof Sides, number[]> = { ours: [], peer: [] };
      for (let i = 0; i < warmup + steps; i++) {
        for (const side of ['ours', 'peer'] as const) {
          const reply = await sides[side].ask<StepReply>({ kind: 'step' });
          const measured = i >= warmup;
          if (measured) seconds[side].push(reply.seconds);
          if (measured) processor[side].push(reply.processor);
          const took = `${reply.seconds.toFixed(3)} s, ${reply.processor.toFixed(3)} s of processor`;
          say(`${measured ? '' : 'warm-up '}step ${i + 1}/${warmup + steps}, ${side}: ${took}`);
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
        processorRatio: median(processor.peer) / median(processor.ours),
        memory: { ours: ourBytes, peer: peerBytes, unit: 'bytes' },
        memoryRatio: ourBytes / peerBytes,
        losses,
        seconds,
        processor,
        setup: { ...common, ...setup, steps, warmup, peer: theirs.version },
      };
    },
  };
}

const setups: Readonly<Record<string, Setup>> = {
  'train-fcn8s': { network: 'fcn8s-vgg16-clean', size: 256, batch: 1, outputs: ['scores'], step: 1 },
  'train-fcn-resnet50': { network: 'fcn-resnet50', size: 321, batch: 2, outputs: ['scores', 'auxiliary'], step: 1 },
  // DeepLab's loss: the score map of stride 8 against every eighth label (arXiv 1412.7062, section 3.1).
  'train-largefov': { network: 'deeplab-largefov-vgg16', size: 321, batch: 2, outputs: ['low'], step: 8 },
  'train-fcn-squeezenet': { network: 'fcn-squeezenet-dilated', size: 321, batch: 8, outputs: ['scores'], step: 1 },
};

export const trainingBenches: Readonly<Record<string, Bench>> = Object.fromEntries(
  Object.entries(setups).map(([name, setup]) => [name, trainingBench(name, setup)]),
);
