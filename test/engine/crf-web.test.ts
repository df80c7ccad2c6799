/** @file The browser's door of the CRF, with the file it fetches served from the build. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { DenseCrf as InPage, denseCrf as inPage } from '../../src/crf/web.js';
import { denseCrf } from '../../src/crf-node/index.js';
import { largestDifference, readCrfCase } from '../support/crf.js';
import { fixture } from '../support/shared.js';

const kernels = fileURLToPath(new URL('../../dist/crf/kernels.wasm', import.meta.url));
const problem = readCrfCase(fixture('crf/small-bilat-24x36.safetensors')).problem('symmetric');

afterEach(() => vi.unstubAllGlobals());

const serve = () =>
  vi.stubGlobal('fetch', async (url: URL) => {
    expect(url.href).toMatch(/\/crf\/kernels\.wasm$/);
    return new Response(await readFile(kernels));
  });

it('gives the same bits as one thread in Node', async () => {
  serve();
  const [a, b] = [
    await inPage(problem, { probabilities: true }),
    await denseCrf(problem, { probabilities: true, threads: 1 }),
  ];
  expect(largestDifference(a.probabilities!, b.probabilities!)).toBe(0);
  expect(a.labels).toEqual(b.labels);
});

it('lets others run between iterations, and is called off by its signal', async () => {
  serve();
  const crf = await InPage.open();
  const controller = new AbortController();
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks === 3) controller.abort(new Error('enough'));
  }, 1);
  await expect(crf.run(problem, { iterations: 1_000_000, signal: controller.signal })).rejects.toThrow('enough');
  clearInterval(timer);
  await crf.close();
});

it('says which file the server does not give', async () => {
  vi.stubGlobal('fetch', async () => new Response('', { status: 404 }));
  await expect(InPage.open()).rejects.toThrow(/kernels\.wasm.*answers 404/);
});
