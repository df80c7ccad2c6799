/**
 * @file Loading a .pth of 537 MB, the parameters of FCN-32s on VGG16 as `torch.save` writes them, to named tensors: seconds and
 * memory on top of what the process held before, against `torch.load`. The peer makes the file, by rule, in a temporary folder.
 */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { readWeights } from 'pixelwise/weights';
import type { Bench } from './main.js';
import { type Message, median, peakMemory, Side, serve } from './side.js';

/** Kernels stay within this; biases too, which no reader minds. */
const bound = 0.05;

interface Reply extends Message {
  readonly seconds: number;
  /** Peak of memory after less peak before. */
  readonly bytes: number;
  /** Number of elements, and the sum of every 100,003rd: what was read. */
  readonly elements: number;
  readonly sum: number;
}

async function ourSide(): Promise<void> {
  await serve(async ({ file }) => {
    const before = peakMemory();
    const began = performance.now();
    const { tensors } = readWeights(readFileSync(String(file)), String(file));
    const seconds = (performance.now() - began) / 1000;
    let [elements, sum] = [0, 0];
    for (const { data } of tensors.values()) {
      for (let i = 0; i < data.length; i += 100_003) sum += Number(data[i]);
      elements += data.length;
    }
    return { seconds, bytes: peakMemory() - before, elements, sum, version: process.version };
  });
}

const parameters = (): { name: string; shape: readonly number[] }[] => {
  const network = findNetwork('fcn32s-vgg16');
  return networkGraph(network, { size: network.inputSize }).parameters.flatMap(({ value, trainable }) =>
    trainable ? [{ name: value.name, shape: value.shape }] : [],
  );
};

export const loadPth: Bench = {
  steps: 5,
  side: ourSide,
  async run({ steps, say }) {
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-bench-'));
    try {
      const file = join(folder, 'fcn32s-vgg16.pth');
      const open = { peer: () => Side.peer('torch_load_pth.py'), ours: () => Side.ours('load-pth') };
      const maker = open.peer();
      await maker.ask({ make: file, parameters: parameters(), bound });
      await maker.end();
      const { size } = await stat(file);
      const replies: Record<keyof typeof open, Reply[]> = { ours: [], peer: [] };
      for (let i = 0; i < steps; i++) {
        for (const name of ['ours', 'peer'] as const) {
          // A new process each time: a peak of memory is there only once.
          const side = open[name]();
          const reply = await side.ask<Reply>({ file });
          await side.end();
          replies[name].push(reply);
          say(`${i + 1}/${steps}, ${name}: ${reply.seconds.toFixed(3)} s, ${(reply.bytes / 1e6).toFixed(0)} MB`);
        }
      }
      const of = (name: keyof typeof open, what: 'seconds' | 'bytes') => median(replies[name].map((r) => r[what]));
      const read = ({ elements, sum }: Reply) => ({ elements, sum });
      const [ours, peer] = [of('ours', 'seconds'), of('peer', 'seconds')];
      return {
        ours,
        peer,
        ratio: peer / ours,
        unit: 's',
        fileBytes: size,
        memory: { ours: of('ours', 'bytes') / size, peer: of('peer', 'bytes') / size, unit: 'times the file' },
        read: { ours: read(replies.ours[0]!), peer: read(replies.peer[0]!) },
        seconds: { ours: replies.ours.map((r) => r.seconds), peer: replies.peer.map((r) => r.seconds) },
        versions: { ours: replies.ours[0]!.version, peer: replies.peer[0]!.version },
      };
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};
