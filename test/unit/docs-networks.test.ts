/**
 * @file docs/networks.md and its figures are what the code says. `npm run docs` (PIXELWISE_RECORD=1) writes them anew; otherwise
 * they are compared.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { findNetwork, networks } from '../../src/nets/catalogue.js';
import { explain } from '../../src/nets/explain.js';
import { explanationSvg } from '../../src/nets/explain-svg.js';
import { legalSide } from '../../src/nets/network.js';
import { figureOf, figures, networksPage } from '../support/networks-page.js';

const docs = (path: string) => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url));
const record = process.env.PIXELWISE_RECORD === '1';
const page = networksPage();

/** Every codec packs the photograph a little differently: it is not compared. */
const withoutPhoto = (svg: string): string => svg.replace(/data:image\/jpeg;base64,[^"]+/, '');

/** 134,346,581 as 134M or 134.3M, where that is how it was published. */
function rounded(ours: string, published: string): string {
  const [, digits] = /^\d+\.?(\d*)M$/.exec(published) ?? [];
  return digits === undefined ? ours : `${(Number(ours.replaceAll(',', '')) / 1e6).toFixed(digits.length)}M`;
}

async function figure(name: string): Promise<string> {
  const network = findNetwork(name);
  const size = [legalSide(network, 375), legalSide(network, 500)] as const;
  const jpeg = await sharp(fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url)))
    .resize({ width: 360 })
    .jpeg({ quality: 70 })
    .toBuffer();
  return explanationSvg(explain(network, { size }), { photo: `data:image/jpeg;base64,${jpeg.toString('base64')}` });
}

describe('docs/networks.md', () => {
  it('is what the code says; after a change, npm run docs', () => {
    if (record) writeFileSync(docs('networks.md'), page);
    expect(readFileSync(docs('networks.md'), 'utf8')).toBe(page);
  });

  it('has a row for every network, and no cell without a value that can be computed', () => {
    for (const { name } of networks) expect(page).toContain(`| \`${name}\` |`);
    expect(page.replace(/```ts.*?```/gs, '')).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('computes the published counts, fields and views', () => {
    let compared = 0;
    let heads: string[] = [];
    for (const line of page.split('\n').filter((l) => l.startsWith('| '))) {
      const cells = line.slice(2, -2).split(' | ');
      if (cells[0] === 'network') heads = cells;
      heads.forEach((head, i) => {
        const published = cells[i - 1];
        if (heads[i - 1] !== `${head}, published` || cells === heads || !published || published === '---') return;
        compared++;
        // The classifier's field, which the text explains.
        if (published === '907') expect(Number(cells[i]) + 6 * 32).toBe(907);
        else expect(cells[i] && rounded(cells[i], published), line).toBe(published);
      });
    }
    expect(compared).toBe(16);
  });

  it.each(figures)('the figure of %s', async (name) => {
    const drawn = await figure(name);
    const file = docs(figureOf(name));
    if (record) writeFileSync(file, drawn);
    expect(existsSync(file)).toBe(true);
    expect(withoutPhoto(readFileSync(file, 'utf8'))).toBe(withoutPhoto(drawn));
    expect(page).toContain(`(${figureOf(name)})`);
  });
});
