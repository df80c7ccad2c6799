/** @file How long things take: the network alone, and everything around it. */

import type { Engine } from '../engine/engine.js';
import type { Graph, Pair } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats } from '../graph/tensor.js';
import { readPicture } from '../image/decode.js';
import type { Size } from '../image/picture.js';
import { nearestSide, networkGraph } from '../nets/network.js';
import { inOrder } from './in-order.js';
import { reducedTo } from './label-picture.js';
import type { LoadedModel } from './model.js';
import type { Segmenter } from './segmenter.js';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** Height and width at which the network sees a picture. */
export function seenSize({ network, description }: LoadedModel, picture: Size, longSide?: number): Pair {
  const { width, height } = reducedTo(picture, longSide ?? description.longSide);
  return [nearestSide(network, height), nearestSide(network, width)];
}

/** The network and nothing else: its scores are added up where they are, so that they need not leave the engine. */
function bareNetwork({ network, description }: LoadedModel, size: Pair): Graph {
  const graph = networkGraph(network, { size, classes: description.classes.length, auxiliary: false });
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined);
  b.output('sum', b.reduceSum(substituteOf(graph.outputs[0]!.value), [0, 1, 2, 3]));
  return b.finish();
}

/** A function that runs the network alone, once, on zeros. */
export async function networkAlone(engine: Engine, loaded: LoadedModel, size: Pair) {
  const program = await engine.compile(bareNetwork(loaded, size), { weights: loaded.tensors });
  const image = floats([1, 3, ...size], new Float32Array(3 * size[0] * size[1]));
  return { run: () => program.run({ image }), dispose: () => program.dispose() };
}

/** Runs of the network at each size that a folder's pictures have. */
const runsPerSize = 3;

export interface FolderTimes {
  readonly pictures: number;
  /** All pictures, a few more at a time than the engine has lanes, from file to mask and overlay. */
  readonly seconds: number;
  /** What the network alone takes for them, every size warm. */
  readonly networkSeconds: number;
}

/** Segments files as the command line does, and times the network alone at their sizes. */
export async function timeFolder(
  engine: Engine,
  loaded: LoadedModel,
  segmenter: Segmenter,
  files: readonly string[],
  out: (index: number) => string,
  longSide?: number,
): Promise<FolderTimes> {
  const sizes = new Map<string, { readonly size: Pair; count: number }>();
  for (const file of files) {
    const size = seenSize(loaded, await readPicture(file), longSide);
    const known = sizes.get(size.join());
    if (known) known.count++;
    else sizes.set(size.join(), { size, count: 1 });
  }
  let networkSeconds = 0;
  for (const { size, count } of sizes.values()) {
    const { run, dispose } = await networkAlone(engine, loaded, size);
    await run();
    const times: number[] = [];
    for (let i = 0; i < runsPerSize; i++) times.push(await secondsOf(run));
    networkSeconds += count * median(times);
    await dispose();
  }
  const seconds = await secondsOf(async () => {
    const work = ([i, file]: [number, string]) => {
      const stem = out(i);
      return segmenter.segmentToFiles(file, { mask: `${stem}.mask.png`, overlay: `${stem}.overlay.png` });
    };
    for await (const { error } of inOrder(files.entries(), segmenter.concurrency, work)) if (error) throw error;
  });
  return { pictures: files.length, seconds, networkSeconds };
}

/** The longest that a timer of 5 ms waited while work went on, in milliseconds. */
export async function longestWait(work: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()];
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 5);
  try {
    await work();
    return longest;
  } finally {
    clearInterval(timer);
  }
}
