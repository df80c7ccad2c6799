/** @file The page of an evaluation: complete in itself, readable without eyes or pointer, bounded, and safe with any name. */

import { describe, expect, it } from 'vitest';
import { vocPalette } from '../../src/image/palette.js';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';
import { scores } from '../../src/metrics/scores.js';
import type { Assessment } from '../../src/segment/assess.js';
import { Extremes } from '../../src/segment/report/extremes.js';
import { evaluationHtml, type ReportContent } from '../../src/segment/report/page.js';

const hostile = `<script>alert('1')</script>" onerror="alert(2)`;
const [width, height] = [40, 30];

const sampleOf = (id: string) => ({
  id,
  picture: { width, height, data: new Uint8Array(width * height * 3).fill(90) },
  labels: { width, height, data: new Uint8Array(width * height).fill(1).fill(255, 0, 40) },
});
const predicted = (right: number): Uint8Array => new Uint8Array(width * height).fill(2).fill(1, 0, 40 + right);

async function contentOf(classes: readonly string[], pictures: number, others: string[] = []): Promise<ReportContent> {
  const palette = vocPalette();
  const extremes = new Extremes({ classes, palette });
  const matrix = new ConfusionMatrix(classes.length + (others.length > 0 ? 1 : 0));
  for (let i = 0; i < pictures; i++) {
    const sample = sampleOf(`${hostile}${i}`);
    await extremes.add(sample, predicted(80 * (i + 1)));
    matrix.add(sample.labels.data, predicted(80 * (i + 1)));
  }
  const all = scores(matrix);
  const assessment: Assessment = {
    scores: { ...all, classes: all.classes.slice(0, classes.length) },
    absent: 'skip',
    images: pictures,
    imagesWithClass: classes.map(() => 1),
    matrix,
    match: { by: 'name', classes: [], others },
    pictures: [],
    milliseconds: Array.from({ length: pictures }, (_, i) => 10 + i),
    around: 'void',
    bands: [{ width: 1, pixels: 5, pixelAccuracy: 0.5, meanIU: Number.NaN }],
    bounds: [{ stride: 8, meanIU: 0.9, pixelAccuracy: 0.95 }],
    seed: 1,
  };
  return {
    title: `${hostile} on toy`,
    assessment,
    classes,
    palette,
    ...extremes.ends(),
    sizes: Array.from({ length: pictures }, () => `${width} x ${height}`),
    model: [['Training: note', hostile]],
    evaluation: [['Data set', hostile]],
  };
}

const classes = ['background', hostile, 'cat & dog'];

describe('the page of an evaluation', () => {
  it('needs nothing else and holds no markup of names', async () => {
    const html = evaluationHtml(await contentOf(classes, 4, [hostile]));
    expect(html).not.toMatch(/(src|href)="(?!data:image\/)/);
    expect(html).not.toMatch(/url\(|@import|<link|https?:/);
    expect(html).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(html).not.toContain('<script>alert');
    expect(html).not.toMatch(/<[^>]*" onerror="/);
    expect(html.match(/<script>/g)).toHaveLength(1);
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;');
    expect(html).toContain('cat &amp; dog');
  });

  it('closes what it opens', async () => {
    const html = evaluationHtml(await contentOf(classes, 2));
    const open: string[] = [];
    const body = html.replace(/<style>[\s\S]*<\/style>|<script>[\s\S]*<\/script>/g, '');
    for (const [, slash, tag = ''] of body.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:[^<>"]|"[^"]*")*>/g)) {
      if (['meta', 'img', 'input'].includes(tag)) continue;
      if (slash === '') open.push(tag);
      else expect(open.pop()).toBe(tag);
    }
    expect(open).toEqual([]);
  });

  it('names every image, control, table and header for those who do not see them', async () => {
    const html = evaluationHtml(await contentOf(classes, 3));
    const images = html.match(/<img [^>]*>/g) ?? [];
    expect(images).toHaveLength(3 * 4);
    for (const img of images) expect(img).toMatch(/ alt="[^"]{10,}"/);
    for (const what of ['Photograph', 'Truth of', 'Prediction for', 'Wrong pixels of']) {
      expect(images.filter((img) => img.includes(`alt="${what}`))).toHaveLength(3);
    }
    expect(html).toMatch(/<html lang="en">/);
    for (const input of html.match(/<(input|select)[^>]*>/g) ?? []) {
      const id = / id="([^"]*)"/.exec(input)?.[1];
      const labeled =
        / aria-label="[^"]+"/.test(input) || new RegExp(`<label>[^<]+<(input|select) id="${id}"`).test(html);
      expect(labeled, input).toBe(true);
    }
    const tables = html.split('<table').slice(1);
    expect(tables.length).toBeGreaterThanOrEqual(7);
    for (const table of tables) {
      expect(table).toMatch(/^[^>]*><caption>/);
      expect(table).toMatch(/<thead><tr><th scope="col"/);
    }
    expect(html.match(/<meter [^>]*aria-label="IU of /g)).toHaveLength(2);
    // Wide tables scroll by keyboard.
    expect(html.match(/<div class="scroll" tabindex="0" role="region" aria-label="/g)).toHaveLength(tables.length);
  });

  it('tells the rule for absent classes, and what the data set lacks', async () => {
    const html = evaluationHtml(await contentOf(classes, 1, ['sky']));
    expect(html).toContain('(rule skip)');
    expect(html).toContain('The data set has no sky: wherever the model says so, it counts as wrong.');
    expect(html).toContain('<span>other (sky)</span>');
  });

  it('stays small however many classes and pictures there are', async () => {
    const html = evaluationHtml(
      await contentOf(
        Array.from({ length: 150 }, (_, i) => `class ${i}`),
        30,
      ),
    );
    expect(html.match(/<figure /g)).toHaveLength(12);
    expect(html).toContain('Of 150 classes, the 40 with most pixels.');
    expect(html.length).toBeLessThan(400_000);
  });
});

describe('the extremes', () => {
  it('are the worst first and the best first, each picture once', async () => {
    for (const [pictures, worst, best] of [
      [30, [0, 1, 2, 3, 4, 5], [29, 28, 27, 26, 25, 24]],
      [5, [0, 1, 2], [4, 3]],
    ] as const) {
      const extremes = new Extremes({ classes: ['a', 'b', 'c'], palette: vocPalette() });
      for (const i of [...Array(pictures).keys()].reverse())
        await extremes.add(sampleOf(`${i}`), predicted(30 * (i + 1)));
      const ends = extremes.ends();
      expect(ends.worst.map((s) => Number(s.id))).toEqual(worst);
      expect(ends.best.map((s) => Number(s.id))).toEqual(best);
    }
  });

  it('know the largest mistake, and leave out a picture without labels', async () => {
    const extremes = new Extremes({ classes: ['a', 'b', 'c'], palette: vocPalette() });
    const blank = sampleOf('blank');
    await extremes.add({ ...blank, labels: { ...blank.labels, data: blank.labels.data.map(() => 255) } }, predicted(0));
    await extremes.add(sampleOf('one'), predicted(290));
    const [shot] = extremes.worst;
    expect(extremes.worst).toHaveLength(1);
    expect(shot).toMatchObject({ id: 'one', pixelAccuracy: 290 / 1160 });
    expect(shot?.mistake).toEqual({ truth: 1, prediction: 2, share: 870 / 1160 });
    expect(shot?.truthShares).toEqual([{ label: 1, share: 1160 / 1200 }]);
  });
});
