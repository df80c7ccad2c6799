/** @file The page of an evaluation in a browser as wide as a phone: nothing is cut off, and its controls do what they say. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { pixelwise, temporaryFolder } from '../support/cli.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const present = existsSync(chromium);
if (!present) console.warn(`skipped: the page of an evaluation in a browser, for want of ${chromium}`);

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--virtual-time-budget=2000', '--dump-dom'],
];

/** Runs in the page: moves the controls, then tells what it sees to the frame around it. */
const probe = `
const result = { width: innerWidth, content: document.documentElement.scrollWidth };
const [figure] = document.querySelectorAll('figure');
const clip = (kind) => getComputedStyle(figure.querySelector('.' + kind)).clipPath;
const seen = (kind) => getComputedStyle(figure.querySelector('.' + kind)).display;
result.before = [clip('truth'), clip('prediction'), seen('difference')];
const cut = figure.querySelector('.divider input');
cut.value = '20';
cut.dispatchEvent(new Event('input'));
document.getElementById('right').value = 'difference';
document.getElementById('right').dispatchEvent(new Event('change'));
result.after = [clip('truth'), clip('difference'), seen('prediction'), figure.querySelector('.tag.r').textContent];
result.opacity = getComputedStyle(figure.querySelector('.difference')).opacity;
parent.postMessage(result, '*');
`;

describe.skipIf(!present)('the page of an evaluation', () => {
  const work = temporaryFolder();
  let root = '';
  afterAll(() => rm(root, { recursive: true, force: true }));

  it('fits 390 pixels and follows its controls', async () => {
    root = await writeTinyVoc(2);
    const { code } = await pixelwise(['eval', '--data', `voc:${root}`, '--report', work, '--long-side', '32']);
    expect(code).toBe(0);
    const html = await readFile(join(work, 'report.html'), 'utf8');
    await writeFile(join(work, 'report.html'), html.replace(/<\/script>\s*<\/body>/, `${probe}</script></body>`));
    await writeFile(
      join(work, 'frame.html'),
      `<iframe src="report.html" width="390" height="800" style="border:0"></iframe><output></output>
       <script>onmessage = (e) => { document.querySelector('output').textContent = JSON.stringify(e.data); };</script>`,
    );
    const profile = `--user-data-dir=${join(work, 'profile')}`;
    const { stdout } = await promisify(execFile)(chromium, [...flags, profile, `file://${join(work, 'frame.html')}`]);
    const found = JSON.parse(/<output>(.*?)<\/output>/.exec(stdout)?.[1] ?? 'null');
    expect(found).toMatchObject({ width: 390, opacity: '0.65' });
    expect(found.content).toBeLessThanOrEqual(390);
    expect(found.before).toEqual(['inset(0px 50% 0px 0px)', 'inset(0px 0px 0px 50%)', 'none']);
    expect(found.after).toEqual(['inset(0px 80% 0px 0px)', 'inset(0px 0px 0px 20%)', 'none', 'difference']);
  });
});
