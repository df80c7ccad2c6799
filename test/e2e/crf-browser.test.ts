/** @file The CRF in a real browser: the same kernels give the labels that they give in Node. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Chromium, chromiumPresent } from '../../bench/chromium.js';
import { kernelsOf, parseCrfSettings } from '../../src/crf/index.js';
import { denseCrf } from '../../src/crf-node/index.js';
import { temporaryFolder } from '../support/cli.js';
import { readCrfCase } from '../support/crf.js';
import { fixture } from '../support/shared.js';

if (!chromiumPresent) console.warn('skipped: the CRF in a browser, for want of Chromium (CHROMIUM names it)');

describe.skipIf(!chromiumPresent)('the CRF in Chromium', () => {
  const work = temporaryFolder();
  let browser: Chromium | undefined;
  afterAll(async () => {
    await browser?.close();
    await rm(work, { recursive: true, force: true });
  });

  it('gives the labels of Node, and says what it cannot do', async () => {
    const { width, height, classes, image, unary } = readCrfCase(fixture('crf/small-synth-31x45.safetensors')).problem(
      'symmetric',
    );
    const settings = 'w1=6,sa=12,sb=9,w2=2,sg=2,normalization=symmetric,iterations=6';
    await writeFile(join(work, 'image.u8'), image!.data);
    await writeFile(join(work, 'unary.f32'), unary.data);
    browser = await Chromium.open(fileURLToPath(new URL('../../dist', import.meta.url)), work);
    const job = { width, height, classes, settings, unary: 'unary.f32', image: 'image.u8', runs: 1 };
    const { labels, milliseconds } = await browser.ask(job);
    const { iterations, normalization, ...rest } = parseCrfSettings(settings);
    const kernels = kernelsOf({ iterations, normalization, ...rest });
    const problem = { width, height, classes, image: image!, unary, kernels, normalization };
    const node = await denseCrf(problem, { iterations, threads: 1 });
    expect(labels).toEqual(node.labels);
    expect(new Set(labels).size).toBeGreaterThan(1);
    expect(milliseconds).toBeGreaterThan(0);
    await expect(browser.ask({ ...job, width: width + 1 })).rejects.toThrow(/picture holds 4185 bytes/);
  });
});
