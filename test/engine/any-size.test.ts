/** @file One program for every size: the same numbers as a program of each size, kept from process to process. */

import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createNodeEngine } from '../../src/engine/node.js';
import type { Pair } from '../../src/graph/ir.js';
import { floats, type NamedTensors, type Tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { type Network, networkGraph } from '../../src/nets/network.js';
import { Predictor } from '../../src/segment/predictor.js';
import { initialize } from '../../src/train/initialize.js';
import { fill } from '../support/fill.js';
import { tinyNetwork, tinyWeights } from '../support/tiny-network.js';

const classes = 4;

function firstWeights(network: Network): NamedTensors {
  return initialize(networkGraph(network, { classes, size: network.inputSize, auxiliary: false }).parameters, 1);
}

const image = ([h, w]: Pair): Tensor<'float32'> => fill([1, 3, h, w], 7, 2);

/** The engine without programs for every size. */
const plain = (engine: Engine): Engine =>
  new Proxy(engine, {
    get: (target, key) => {
      const value: unknown = key === 'compileAnySize' ? undefined : Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** Counts what is compiled: one by one, and for every size. */
function counting(engine: Engine) {
  const count = { one: 0, every: 0 };
  const counted = new Proxy(engine, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (key === 'compile') count.one++;
        if (key === 'compileAnySize') count.every++;
        return value.apply(target, args);
      };
    },
  });
  return { engine: counted, count };
}

let folder: string;
let engine: Engine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-any-size-'));
  engine = createNodeEngine({ threads: 1 });
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

/** An odd and an even number of cells at stride 16. */
const sizes: readonly Pair[] = [
  [240, 336],
  [336, 272],
  [288, 240],
];

describe('a program for every size', () => {
  it.each([
    ['espnetv2-near-agree', 2],
    ['deeplab-largefov-squeezenet', 1],
    ['fcn8s-squeezenet', 1],
  ])('computes what the programs of each size do: %s', async (name, structures) => {
    const network = findNetwork(name);
    const weights = firstWeights(network);
    const { engine: counted, count } = counting(engine);
    const [any, one] = [counted, plain(engine)].map((e) => new Predictor(e, network, classes, weights));
    for (const view of sizes) {
      const asked = { size: [view[0] + 5, view[1] - 3] as const, answers: ['labels'] as const };
      const [got, wanted] = [await any!.ask([image(view)], asked), await one!.ask([image(view)], asked)];
      const same = got.labels.filter((l, i) => l === wanted.labels[i]).length;
      expect(same / wanted.labels.length, `${view}`).toBeGreaterThan(0.999);
    }
    expect(count.one).toBe(0);
    expect(count.every).toBeLessThanOrEqual(structures);
    await any!.dispose();
    await one!.dispose();
  });

  it('answers every question: views, mirrored, probabilities', async () => {
    const network = tinyNetwork({ upsampling: 'align-corners' });
    const weights = tinyWeights(network);
    const { engine: counted, count } = counting(engine);
    const [any, one] = [counted, plain(engine)].map((e) => new Predictor(e, network, classes, weights));
    for (const view of sizes) {
      const views = [view, [view[0] * 2, view[1] + 16]] as Pair[];
      const asked = { size: [view[0] + 2, view[1]] as const, flip: true, answers: ['probabilities'] as const };
      const [got, wanted] = [await any!.ask(views.map(image), asked), await one!.ask(views.map(image), asked)];
      const worst = got.probabilities.reduce((most, p, i) => Math.max(most, Math.abs(p - wanted.probabilities[i]!)), 0);
      expect(worst).toBeLessThan(1e-5);
    }
    expect(count).toEqual({ one: 0, every: 1 });
    await any!.dispose();
    await one!.dispose();
  });

  it('leaves large maps and what lives on from run to run to programs of their own', async () => {
    const network = tinyNetwork();
    const { engine: counted, count } = counting(engine);
    const predictor = new Predictor(counted, network, classes, tinyWeights(network));
    await predictor.ask([image([2400, 2400])], { size: [2400, 2400], answers: ['labels'] });
    expect(count).toEqual({ one: 1, every: 0 });
    const memory = await predictor.memory([32, 32]);
    await predictor.ask([image([32, 32])], { size: [32, 32], answers: ['labels'], smoothing: 0.5 }, { memory });
    expect(count).toEqual({ one: 2, every: 0 });
    await predictor.dispose();
  });
});

it('is done without where no temporary file can be written', async () => {
  const { TMPDIR: before } = process.env;
  process.env.TMPDIR = join(folder, 'missing');
  try {
    const network = tinyNetwork({ upsampling: 'align-corners' });
    await using own = createNodeEngine({ threads: 1 });
    const { engine: counted, count } = counting(own);
    const predictor = new Predictor(counted, network, classes, tinyWeights(network));
    const { labels } = await predictor.ask([image([32, 48])], { size: [32, 48], answers: ['labels'] });
    expect(labels.length).toBe(32 * 48);
    expect(count).toEqual({ one: 1, every: 1 });
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});

describe('a folder of optimized graphs', () => {
  const network = tinyNetwork({ upsampling: 'align-corners' });
  const weights = tinyWeights(network);
  const view: Pair = [48, 64];

  async function labelsWith(keptIn: string, tensors = weights): Promise<string> {
    await using own = createNodeEngine({ threads: 1, keptIn });
    const predictor = new Predictor(own, network, classes, tensors);
    const { labels } = await predictor.ask([image(view)], { size: view, answers: ['labels'] });
    await predictor.dispose();
    return Buffer.from(labels).toString('base64');
  }

  it('is read by the next engine, and one that was changed is made anew', async () => {
    const place = join(folder, 'kept');
    const first = await labelsWith(place);
    const names = await readdir(place);
    expect(names.length).toBeGreaterThan(0);
    const before = await Promise.all(names.map((n) => readFile(join(place, n))));
    expect(await labelsWith(place)).toBe(first);
    // As they were: read, not written again.
    expect(await Promise.all(names.map((n) => readFile(join(place, n))))).toEqual(before);
    for (const [i, name] of names.entries()) {
      const broken = Uint8Array.from(before[i]!);
      broken[broken.length - 9]! ^= 1;
      await writeFile(join(place, name), broken);
    }
    expect(await labelsWith(place)).toBe(first);
    expect(await Promise.all(names.map((n) => readFile(join(place, n))))).toEqual(before);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['no line', new TextEncoder().encode('model')],
    ['no notes', new TextEncoder().encode('model\nmodel')],
    ['other notes', new TextEncoder().encode('[1]\nmodel')],
    ['a digest of no model', new TextEncoder().encode('{"digest":"00"}\n')],
  ])('may hold %s under a name', async (_, bytes) => {
    const place = join(folder, 'hostile');
    const first = await labelsWith(place);
    for (const name of await readdir(place)) await writeFile(join(place, name), bytes);
    expect(await labelsWith(place)).toBe(first);
  });

  it('may hold what is whole and cannot be opened', async () => {
    const place = join(folder, 'unopened');
    const first = await labelsWith(place);
    for (const name of await readdir(place)) {
      const bytes = await readFile(join(place, name));
      const notes = JSON.parse(bytes.subarray(0, bytes.indexOf(10)).toString()) as { digest: string };
      const model = Buffer.from('no model');
      notes.digest = createHash('sha256').update(model).digest('hex');
      await writeFile(join(place, name), Buffer.concat([Buffer.from(`${JSON.stringify(notes)}\n`), model]));
    }
    expect(await labelsWith(place)).toBe(first);
  });

  it('tells weights apart', async () => {
    const place = join(folder, 'apart');
    const first = await labelsWith(place);
    const held = (await readdir(place)).length;
    const others = new Map(
      [...weights].map(([name, t]) => [
        name,
        floats(
          t.shape,
          (t.data as Float32Array).map((v) => -v),
        ),
      ]),
    );
    const second = await labelsWith(place, others);
    expect((await readdir(place)).length).toBeGreaterThan(held);
    // The one that was used last is opened before anyone asks, and is not the one that is asked for.
    expect(second).not.toBe(first);
    expect(await labelsWith(place)).toBe(first);
    expect(await labelsWith(place, others)).toBe(second);
  });

  it('is done without where it cannot be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect(await labelsWith(join(file, 'folder'))).toBe(await labelsWith(join(folder, 'kept')));
  });

  // There no folder can be made, for a reason that a recursive mkdir of Node's takes for a missing one above, without end.
  it.skipIf(process.platform !== 'linux')('is done without in a file system of the kernel', async () => {
    expect(await labelsWith('/proc/none/kept')).toBe(await labelsWith(join(folder, 'kept')));
  });
});
