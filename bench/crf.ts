/**
 * @file The fully connected CRF against pydensecrf: a 375x500 photograph, 21 classes, both kernels, ten iterations, from
 * unary terms to labels, warm, setup included.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CrfProblem, DenseCrf, kernelsOf, parseCrfSettings } from 'pixelwise/crf';
import { Chromium, chromiumPresent } from './chromium.js';
import { readCase } from './crf-case.js';
import type { Bench } from './main.js';
import { type Message, median, peakMemory, Side, serve } from './side.js';

export type Timing = Message & { milliseconds: number; processor: number; memory: number };

/** What each side is sent: where the arrays are, and the parameters. */
interface Job extends Message {
  readonly folder: string;
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  readonly settings: string;
  readonly threads: number;
  readonly fast: boolean;
  /** What a slider moves on a kept preview, or 'nothing': previews of their own. The last of three positions is timed. */
  readonly preview: keyof typeof sliders | '';
}

/** Settings on the way to the last position. */
const sliders = { nothing: ['', ''], sa: [',sa=70', ',sa=75'], w1: [',w1=3', ',w1=4'] } as const;

/** What is measured on our side. */
const cases = {
  'one thread': { threads: 1 },
  'two threads': { threads: 2 },
  'one thread, fast': { threads: 1, fast: true },
  'two threads, fast': { threads: 2, fast: true },
  'two threads, preview': { threads: 2, fast: true, preview: 'nothing' },
  'two threads, preview, sigma moved': { threads: 2, fast: true, preview: 'sa' },
  'two threads, preview, weight moved': { threads: 2, fast: true, preview: 'w1' },
} as const;

const inBrowser = 'one thread, Chromium';
const arrays = { unary: 'unary.f32', image: 'image.u8' } as const;

async function ourSide(): Promise<void> {
  const open = new Map<number, DenseCrf>();
  await serve(async (message) => {
    const { folder, width, height, classes, settings, threads, fast, preview } = message as Job;
    const crf = open.get(threads) ?? (await DenseCrf.open({ threads }));
    open.set(threads, crf);
    const floats = readFileSync(join(folder, 'unary.f32'));
    const { iterations, normalization } = parseCrfSettings(settings);
    const kernelsAt = (moved: string) => kernelsOf(parseCrfSettings(settings + moved));
    const problem: CrfProblem = {
      width,
      height,
      classes,
      image: { width, height, data: new Uint8Array(readFileSync(join(folder, 'image.u8'))) },
      unary: { kind: 'energies', data: new Float32Array(floats.buffer, floats.byteOffset, classes * width * height) },
      kernels: kernelsAt(''),
      normalization,
    };
    const moved = preview ? sliders[preview] : [];
    const kept = preview && preview !== 'nothing' ? await crf.preview(problem) : undefined;
    const labelsAt = async (kernels: CrfProblem['kernels']) =>
      kept
        ? (await kept.run(kernels, { iterations, fast })).labels
        : (await crf.run({ ...problem, kernels }, { iterations, fast, preview: preview !== '' })).labels;
    for (const position of moved) await labelsAt(kernelsAt(position));
    const before = process.memoryUsage().rss;
    const began = { cpu: process.cpuUsage(), wall: performance.now() };
    const labels = await labelsAt(problem.kernels);
    const { user, system } = process.cpuUsage(began.cpu);
    const milliseconds = performance.now() - began.wall;
    writeFileSync(join(folder, 'ours.u8'), labels);
    return { milliseconds, processor: (user + system) / 1000, memory: peakMemory() - before };
  });
  for (const crf of open.values()) await crf.close();
}

/** The original, or undefined (said aloud) where Python or pydensecrf is missing. */
export async function openPeer(say: (line: string) => void): Promise<Side | undefined> {
  if (!process.env.PIXELWISE_PYTHON) {
    say('PIXELWISE_PYTHON is not set: measured without the peer (a Python with numpy and pydensecrf).');
    return undefined;
  }
  const peer = Side.peer('pydensecrf_run.py');
  const { ready } = await peer.ask<Message>({ hello: true });
  if (ready === true) return peer;
  say(`The peer's Python has no pydensecrf (${String(ready)}): measured without it.`);
  await peer.end();
  return undefined;
}

/** The browser, or undefined (said aloud) where there is none. */
async function openBrowser(folder: string, say: (line: string) => void): Promise<Chromium | undefined> {
  if (chromiumPresent) return Chromium.open(fileURLToPath(new URL('../../dist', import.meta.url)), folder);
  say('There is no Chromium (CHROMIUM names it): measured without the browser.');
  return undefined;
}

const agreementOf = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((n, v, k) => n + (v === b[k] ? 1 : 0), 0) / a.length;

export const crf: Bench = {
  steps: 7,
  side: ourSide,
  async run({ steps, say }) {
    const { name, width, height, classes, image, energies } = await readCase(say);
    const folder = mkdtempSync(join(tmpdir(), 'pixelwise-crf-'));
    const ours = Side.ours('crf');
    const peer = await openPeer(say);
    const browser = await openBrowser(folder, say);
    const job = { folder, width, height, classes, settings: 'deeplab-largefov,normalization=symmetric' };
    try {
      writeFileSync(join(folder, arrays.image), image);
      writeFileSync(join(folder, arrays.unary), energies);
      const timings: Record<string, Timing[]> = { peer: [] };
      for (const name of [...Object.keys(cases), inBrowser]) timings[name] = [];
      const agreement: Record<string, number> = {};
      for (let i = 0; i < steps + 2; i++) {
        // The first two of each warm it up.
        const measured = i >= 2;
        if (peer) {
          const t = await peer.ask<Timing>(job);
          if (measured) timings.peer!.push(t);
        }
        for (const [name, options] of Object.entries(cases)) {
          const t = await ours.ask<Timing>({ fast: false, preview: '', ...job, ...options });
          if (measured) timings[name]!.push(t);
          if (!peer) continue;
          agreement[name] = agreementOf(readFileSync(join(folder, 'ours.u8')), readFileSync(join(folder, 'peer.u8')));
        }
        if (browser) {
          const { width: w, height: h, settings } = job;
          const t = await browser.ask({ width: w, height: h, classes, settings, ...arrays, runs: 1 });
          if (measured) timings[inBrowser]!.push({ milliseconds: t.milliseconds, processor: Number.NaN, memory: 0 });
          if (peer) agreement[inBrowser] = agreementOf(t.labels, readFileSync(join(folder, 'peer.u8')));
        }
        if (measured)
          say(
            `${i - 1}/${steps}: ${Object.entries(timings)
              .filter(([, t]) => t.length > 0)
              .map(([name, t]) => `${name} ${t.at(-1)!.milliseconds.toFixed(0)}`)
              .join(', ')} ms`,
          );
      }
      const rows = Object.fromEntries(
        Object.entries(timings)
          .filter(([, list]) => list.length > 0)
          .map(([name, list]) => {
            const of = (key: 'milliseconds' | 'processor') => median(list.map((t) => t[key]));
            return [name, { milliseconds: of('milliseconds'), processor: of('processor'), agreement: agreement[name] }];
          }),
      );
      const [mine, theirs] = [rows['one thread']!.milliseconds, rows.peer?.milliseconds];
      const ratios =
        theirs === undefined
          ? undefined
          : Object.fromEntries(Object.entries(rows).map(([name, r]) => [name, theirs / r.milliseconds]));
      return {
        ours: mine,
        ...(theirs !== undefined && { peer: theirs, ratio: theirs / mine }),
        unit: 'ms, one thread',
        rows,
        ratios,
        setup: { picture: name, width, height, classes, settings: job.settings },
      };
    } finally {
      await Promise.all([ours.end(), peer?.end(), browser?.close()]);
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
