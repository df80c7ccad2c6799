/** @file The segmenter as programs use it: every form of input, many sizes, calls side by side, and stopping. */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPicture, resizePicture } from '../../src/image/decode.js';
import { decodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import type { Picture, RawPixels } from '../../src/image/picture.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { initialize } from '../../src/train/initialize.js';
import { writeModel } from '../../src/weights/model.js';

const url = new URL('../../examples/chelsea.jpg', import.meta.url);
const path = fileURLToPath(url);
const bytes = readFileSync(path);

let picture: Picture;
let segmenter: Segmenter;
beforeAll(async () => {
  picture = await readPicture(path);
  segmenter = await Segmenter.load({ longSide: 128 });
});
afterAll(() => segmenter.close());

/** A picture without content; its pixels differ from size to size. */
function plain(width: number, height: number): RawPixels {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + width) % 256);
  return { width, height, data, channels: 3 };
}

describe('inputs', () => {
  it('of every form give the same labels', async () => {
    const { width, height, data } = picture;
    const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
    for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    const { labels } = await segmenter.segment(path);
    expect(labels.length).toBe(width * height);
    expect(new Set(labels).size).toBeGreaterThan(1);
    const forms = {
      url,
      bytes: new Uint8Array(bytes),
      buffer: bytes,
      arrayBuffer: new Uint8Array(bytes).buffer,
      blob: new Blob([new Uint8Array(bytes)]),
      picture,
      raw: { ...picture, channels: 3 as const },
      imageData: { width, height, data: rgba },
    };
    for (const [form, input] of Object.entries(forms)) {
      const result = await segmenter.segment(input);
      expect([result.width, result.height], form).toEqual([width, height]);
      expect(Buffer.compare(result.labels, labels), form).toBe(0);
    }
    // The caller's pixels are as they were.
    expect(Buffer.compare(data, (await readPicture(path)).data)).toBe(0);
  });

  it('that are none are refused by name, and the segmenter goes on', async () => {
    await expect(segmenter.segment('/no/such.jpg')).rejects.toMatchObject({
      code: 'ERR_FILE',
      subject: '/no/such.jpg',
    });
    await expect(segmenter.segment(bytes.subarray(0, 9000))).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    await expect(segmenter.segment({ width: 3, height: 2, data: new Uint8Array(5) })).rejects.toMatchObject({
      code: 'ERR_IMAGE',
    });
    await expect(segmenter.segment(path, { maxPixels: 1000 })).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    expect((await segmenter.segment(plain(5, 4))).labels.length).toBe(20);
  });
});

describe('results', () => {
  it('agree with each other: labels, shares, mask and overlay', async () => {
    const result = await segmenter.segment(path);
    const { width, height, labels, classes } = result;
    const mask = decodeLabelMap(result.toPNG());
    expect([mask.width, mask.height]).toEqual([width, height]);
    expect(Buffer.compare(mask.data, labels)).toBe(0);
    expect(classes.reduce((sum, c) => sum + c.pixels, 0)).toBe(labels.length);
    for (const [i, c] of classes.entries()) {
      expect(c.name).toBe(segmenter.model.classes[c.id]);
      expect(c.color).toEqual(segmenter.model.palette[c.id]);
      if (i > 0) expect(c.pixels).toBeLessThanOrEqual(classes[i - 1]!.pixels);
    }
    const bare = await readPicture(await result.overlay({ legend: false, opacity: 0.2 }));
    expect([bare.width, bare.height]).toEqual([width, height]);
  });
});

describe('networks that cannot run on every size', () => {
  /** A model of a network with its first values. */
  async function modelOf(name: string, classes: number): Promise<string> {
    const network = findNetwork(name);
    const graph = networkGraph(network, { size: network.inputSize, classes, auxiliary: false });
    const description = {
      version: 1 as const,
      network: name,
      classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
      palette: vocPalette(classes),
      preprocessing: network.preprocessing,
      longSide: 64,
    };
    const file = join(folder, `${name}.safetensors`);
    await writeFile(file, writeModel(description, initialize(graph.parameters, 1)));
    return file;
  }
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixelwise-sides-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('give labels at the size of any picture', async () => {
    await using small = await Segmenter.load({ model: await modelOf('espnetv2-0.5', 3) });
    for (const [width, height] of [
      [50, 37],
      [64, 48],
      [1, 9],
      [130, 71],
    ] as const) {
      const { labels } = await small.segment(plain(width, height));
      expect(labels.length).toBe(width * height);
      expect(Math.max(...labels)).toBeLessThan(3);
    }
    // What the network sees is the nearest legal size, and the labels are those of its scores.
    const seen = await resizePicture(plain(50, 37) as Picture, { width: 48, height: 32 });
    const direct = await small.segment({ ...seen, channels: 3 as const });
    const { labels } = await small.segment(plain(50, 37));
    let same = 0;
    for (let y = 0; y < 37; y++) {
      for (let x = 0; x < 50; x++) {
        const near = Math.floor(((y + 0.5) * 32) / 37) * 48 + Math.floor(((x + 0.5) * 48) / 50);
        if (labels[y * 50 + x] === direct.labels[near]) same++;
      }
    }
    expect(same / labels.length).toBeGreaterThan(0.9);
  });
});

describe('sizes', () => {
  it('follow one another, more than are kept, and come back the same', async () => {
    const sizes = Array.from({ length: 9 }, (_, i) => [24 + i, 20 + 2 * i] as const);
    const once: Uint8Array[] = [];
    for (const [width, height] of sizes) once.push((await segmenter.segment(plain(width, height))).labels);
    for (const [i, [width, height]] of sizes.entries()) {
      const { labels } = await segmenter.segment(plain(width, height));
      expect(labels.length).toBe(width * height);
      expect(Buffer.compare(labels, once[i]!)).toBe(0);
    }
  });

  it('may all be asked for at once', async () => {
    const sizes = Array.from({ length: 10 }, (_, i) => [40 + 3 * i, 30 + i] as const);
    const results = await Promise.all([...sizes, ...sizes].map(([w, h]) => segmenter.segment(plain(w, h))));
    for (const [i, [width, height]] of sizes.entries()) {
      expect(results[i]!.labels.length).toBe(width * height);
      expect(Buffer.compare(results[i]!.labels, results[i + sizes.length]!.labels)).toBe(0);
    }
  });

  it('of one pixel, one row and one column work', async () => {
    for (const [width, height] of [
      [1, 1],
      [1, 40],
      [300, 1],
    ] as const) {
      expect((await segmenter.segment(plain(width, height))).labels.length).toBe(width * height);
    }
  });

  it('above longSide are reduced, below are not', async () => {
    await using coarse = await Segmenter.load({ longSide: 64, threads: 1 });
    const labelsOf = async (input: Picture) => (await coarse.segment(input)).labels;
    const small = await resizePicture(picture, { width: 64, height: 43 });
    const fine = await labelsOf(picture);
    expect(fine.length).toBe(picture.width * picture.height);
    // The network sees the same picture; each label of the small map stands for a patch of the large one.
    const few = await labelsOf(small);
    let same = 0;
    for (let y = 0; y < 43; y++) {
      const row = Math.floor(((y + 0.5) * picture.height) / 43) * picture.width;
      for (let x = 0; x < 64; x++) {
        if (few[y * 64 + x] === fine[row + Math.floor(((x + 0.5) * picture.width) / 64)]) same++;
      }
    }
    expect(same / few.length).toBeGreaterThan(0.97);
    expect(Buffer.compare(await labelsOf(small), few)).toBe(0);
  });

  it('follow a preset, where nothing else is said', async () => {
    await using fine = await Segmenter.load({ preset: 'fine', longSide: 96, threads: 1 });
    const scales = [0.8, 1, 1.2];
    const said = (await segmenter.segment(path, { longSide: 96, scales, flip: true })).labels;
    expect(Buffer.compare((await fine.segment(path)).labels, said)).toBe(0);
    const once = (await segmenter.segment(path, { longSide: 96, scales })).labels;
    expect(Buffer.compare((await fine.segment(path, { flip: false })).labels, once)).toBe(0);
    expect(Buffer.compare(said, once)).not.toBe(0);
    await expect(fine.segment(path, { scores: 'logits' })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    const preset = 'fien' as 'fine';
    await expect(Segmenter.load({ preset })).rejects.toThrow(/no preset 'fien'. Did you mean 'fine'/);
  });

  it.each([0, -3, 2.5, Number.NaN])('cannot be reduced to a longSide of %s', async (longSide) => {
    await expect(Segmenter.load({ longSide })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('stopping', () => {
  it('an aborted signal rejects with its reason, before and during the work', async () => {
    const reason = new Error('enough');
    await expect(segmenter.segment(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const running = segmenter.segment(path, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 1);
    await expect(running).rejects.toBe(reason);
    expect((await segmenter.segment(plain(6, 6))).labels.length).toBe(36);
  });

  it('use after close is ERR_CLOSED, and closing twice is fine', async () => {
    const closed = await Segmenter.load({ longSide: 32 });
    const running = closed.segment(path);
    running.catch(() => undefined);
    await closed.close();
    await closed.close();
    await expect(closed.segment(path)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(running).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('await using closes', async () => {
    let escaped: Segmenter;
    {
      await using inner = await Segmenter.load({ longSide: 32 });
      escaped = inner;
      expect((await inner.segment(plain(8, 8))).labels.length).toBe(64);
    }
    await expect(escaped.segment(path)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('the event loop', () => {
  /** Milliseconds that this thread has computed, where the system tells: a busy machine does not change it. */
  function computed(): number {
    try {
      return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    } catch {
      return performance.now();
    }
  }

  it.each([
    [
      '500 x 375 pixels, new sizes included',
      (s: Segmenter) => [375, 374, 375].map((h) => plain(500, h)).map((p) => () => s.segment(p)),
    ],
  ])('stays free: a timer of 5 ms never waits 30 ms longer for %s', { retry: 2 }, async (_, worksOf) => {
    await using full = await Segmenter.load();
    const works = worksOf(full);
    const gaps: number[] = [];
    let last = computed();
    const timer = setInterval(() => {
      const now = computed();
      gaps.push(now - last);
      last = now;
    }, 5);
    for (const work of works) await work();
    await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(timer);
    expect(gaps.length).toBeGreaterThan(5);
    expect(Math.max(...gaps)).toBeLessThan(35);
  });
});
