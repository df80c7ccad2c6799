/** @file Small training runs: a network of three layers with everything that a run must remember, and what a run said. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataset } from '../../src/data/dataset.js';
import type { CompileOptions, Engine } from '../../src/engine/engine.js';
import { createNodeEngine } from '../../src/engine/node.js';
import type { Scores } from '../../src/metrics/scores.js';
import type { Network } from '../../src/nets/network.js';
import { checkpointFile } from '../../src/train/checkpoint.js';
import { checkRecipe, type Recipe } from '../../src/train/recipe.js';
import { type TrainEvent, type TrainOptions, train } from '../../src/train/trainer.js';
import { writeTinyVoc } from './tiny-voc.js';

/** Convolution, batch normalisation, dropout, score: at the size of the picture. */
export function toyNetwork(options: { norm?: boolean; dropout?: number } = {}): Network {
  return {
    name: 'toy',
    title: 'Toy',
    source: 'this test',
    classes: 21,
    preprocessing: { order: 'RGB', divisor: 255, mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3] },
    stride: 1,
    inputSize: [16, 16],
    build(b, image, { classes = 21 } = {}) {
      const normal = (std: number) => ({ init: { kind: 'normal', std } }) as const;
      let x = b.conv(image, b.parameter('conv.weight', [8, 3, 3, 3], normal(0.2)), b.parameter('conv.bias', [8]), {
        pad: 1,
      });
      if (options.norm) {
        const parameters = [
          b.parameter('bn.weight', [8], { init: { kind: 'constant', value: 1 } }),
          b.parameter('bn.bias', [8]),
          b.parameter('bn.running_mean', [8], { trainable: false }),
          b.parameter('bn.running_var', [8], { init: { kind: 'constant', value: 1 }, trainable: false }),
        ];
        const attributes = { epsilon: 1e-5, momentum: 0.9, training_mode: 0 } as const;
        x = b.op('BatchNormalization', [x, ...parameters], attributes);
      }
      x = b.relu(x);
      if (options.dropout) x = b.op('Dropout', [x], { ratio: options.dropout }, 'drop');
      const score = b.parameter('score.weight', [classes, 8, 1, 1], normal(0.2));
      const scores = b.conv(x, score, b.parameter('score.bias', [classes], { rate: 2, decay: 0 }));
      return { scores, low: scores };
    },
  };
}

/** A short recipe with a little of everything. */
export const toyRecipe = (changes: Record<string, unknown> = {}): Recipe =>
  checkRecipe(
    {
      network: 'toy',
      seed: 7,
      batch: 2,
      updates: 8,
      crop: [16, 16],
      scale: [0.75, 1.25],
      flip: 0.5,
      rate: 0.05,
      optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
      checkpoint: 3,
      ...changes,
    },
    'toy',
  );

export const runFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'pixelwise-run-'));

/** An event without what the clock says. */
export type Said = Omit<TrainEvent, 'milliseconds'>;

/** Runs to the end or to an error; `onEvent` sees every event as it happens. */
export async function follow(
  options: Omit<TrainOptions, 'description'>,
  onEvent: (event: TrainEvent) => void = () => undefined,
): Promise<Said[]> {
  const said: Said[] = [];
  for await (const event of train({ ...options, description: { longSide: 64 } })) {
    const { milliseconds, ...rest } = { milliseconds: 0, ...event };
    if (!(milliseconds >= 0)) throw new Error(`an update took ${milliseconds} ms`);
    said.push(rest);
    onEvent(event);
  }
  return said;
}

/** Scores that say no more than a mean IU. */
export const scoresOf = (meanIU: number): Scores => ({
  pixelAccuracy: meanIU,
  meanAccuracy: meanIU,
  meanIU,
  meanDice: Number.NaN,
  frequencyWeightedIU: meanIU,
  classes: [],
});

/** What a run is for: its losses, rates and scores. */
export const course = (said: readonly Said[]) => said.filter((e) => e.kind === 'update' || e.kind === 'evaluation');
export const kinds = (said: readonly Said[]) => said.map((e) => `${e.kind} ${e.update}`);

export const bytes = (run: string) => readFile(checkpointFile(run));
/** Whether two runs ended with the same checkpoint. A matcher would compare megabytes one by one. */
export const sameBytes = async (a: string, b: string) => (await bytes(a)).equals(await bytes(b));

type Changes = Partial<Omit<TrainOptions, 'recipe'>> & { recipe?: Record<string, unknown> };

/** Five small pictures, an engine, and runs in new folders. */
export async function toyRuns() {
  const engine = createNodeEngine({ threads: 1 });
  const folders = [await writeTinyVoc(5)];
  const dataset = await openDataset(`voc:${folders[0]}`, 'train');
  return {
    engine,
    dataset,
    /** Options of a run in a new folder, if none is given. */
    async start({ recipe, ...changes }: Changes = {}) {
      const run = changes.run ?? (await runFolder());
      if (!folders.includes(run)) folders.push(run);
      return { recipe: toyRecipe(recipe), network: toyNetwork(), dataset, engine, ...changes, run };
    },
    async close() {
      await engine.close();
      await Promise.all(folders.map((f) => rm(f, { recursive: true })));
    },
  };
}

/** An engine that counts what was made on it and not given back. */
export function counting(engine: Engine): { engine: Engine; held: () => number } {
  let held = 0;
  const counted = <T extends { dispose(): Promise<void> }>(made: T): T => {
    held++;
    const dispose = made.dispose.bind(made);
    made.dispose = async () => {
      held--;
      await dispose();
    };
    return made;
  };
  const wrapped: Engine = {
    device: engine.device,
    threads: engine.threads,
    lanes: 1,
    start: () => engine.start(),
    createState: async (tensors) => counted(await engine.createState(tensors)),
    compile: async (graph, options?: CompileOptions) => counted(await engine.compile(graph, options)),
    close: () => engine.close(),
    [Symbol.asyncDispose]: () => engine.close(),
  };
  return { engine: wrapped, held: () => held };
}
