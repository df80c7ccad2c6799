/** @file The page of a run: complete in itself, honest about where the run stands, and safe with any name. */

import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';
import { scores } from '../../src/metrics/scores.js';
import type { Session } from '../../src/train/run/environment.js';
import { type ReportContent, reportHtml } from '../../src/train/run/report.js';
import { SampleBoard } from '../../src/train/run/samples.js';
import type { TrainEvent } from '../../src/train/trainer.js';
import { toyRecipe } from '../support/training.js';

const matrix = new ConfusionMatrix(3);
matrix.add(Uint8Array.of(0, 0, 1, 1), Uint8Array.of(0, 1, 1, 1));
const classes = ['background', '<cat> & "dog"', 'never'];
const session: Session = {
  update: 0,
  began: '2025-01-01T00:00:00.000Z',
  pixelwise: '0.1.0',
  node: 'v20.0.0',
  onnxruntime: '1.2.3',
  system: 'linux x64',
  processor: 'a <fast> one',
  engine: 'cpu',
  threads: 2,
};
const update = (n: number): TrainEvent => ({
  kind: 'update',
  update: n,
  loss: 3 / n,
  rate: 0.01,
  epoch: 0,
  milliseconds: 60_000,
});
const start: TrainEvent = { kind: 'start', update: 0, updates: 8, parameters: 5 };
const evaluation: TrainEvent = { kind: 'evaluation', update: 4, scores: scores(matrix), best: true };
const page = (events: TrainEvent[], more: Partial<ReportContent> = {}): string =>
  reportHtml({
    title: 'toy & co',
    recipe: toyRecipe(),
    classes,
    palette: vocPalette(),
    events,
    sessions: [session],
    samples: [],
    ...more,
  });
/** Every tag that opens is closed in its turn. */
function expectWellFormed(html: string): void {
  const open: string[] = [];
  const empty = new Set(['meta', 'img', 'br']);
  for (const [, slash, tag = '', self] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:[^<>"]|"[^"]*")*?(\/?)>/g)) {
    if (empty.has(tag) || self === '/') continue;
    if (slash === '') open.push(tag);
    else expect(open.pop(), html.slice(0, 200)).toBe(tag);
  }
  expect(open).toEqual([]);
}

describe('a report', () => {
  it.each<[string, TrainEvent[], Partial<ReportContent>]>([
    ['nothing yet', [], {}],
    ['a start', [start], {}],
    ['a run under way', [start, ...[1, 2, 3, 4].map(update), evaluation], {}],
    ['scores as JSON keeps them', [JSON.parse(JSON.stringify(evaluation)) as TrainEvent], {}],
    ['an error', [start], { failure: 'the <loss> is "lost"' }],
  ])('of %s is one well-formed page that needs nothing else', (_, events, more) => {
    const html = page(events, more);
    expectWellFormed(html);
    expect(html).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    expect(html).not.toMatch(/url\(|@import|<script/);
    expect(html).not.toContain('<cat>');
    expect(html).toContain('<title>toy &amp; co</title>');
    expect(html).toContain('a &lt;fast&gt; one');
  });

  it('says where the run stands, and looks again only while it goes on', () => {
    const done = [start, ...[1, 2, 3].map(update)];
    const end = (more: object): TrainEvent => ({ kind: 'end', update: 3, interrupted: false, ...more });
    const status = (html: string) => /role="status">(.*?)<\/p>/.exec(html)?.[1];
    const again = (html: string) => html.includes('http-equiv="refresh"');
    const cases: [string, string | RegExp, boolean][] = [
      [page(done), 'Running: 3 of 8 updates, about 5 min left. This page follows it.', true],
      [page([...done, end({})]), 'Finished: 3 of 8 updates.', false],
      [page([...done, end({ interrupted: true })]), 'Interrupted after 3 of 8 updates.', false],
      [page([...done, end({ early: true })]), 'Ended early, no longer getting better, after 3 of 8 updates.', false],
      [page(done, { failure: 'no <disk>' }), 'Stopped by an error: no &lt;disk&gt;', false],
    ];
    for (const [html, text, refreshing] of cases) {
      expect(status(html)).toBe(text);
      expect(again(html), String(text)).toBe(refreshing);
    }
  });

  it('lists scores, classes with their colors, and warnings', () => {
    const warning: TrainEvent = { kind: 'warning', update: 4, message: 'all <background>' };
    const html = page([start, update(4), evaluation, warning]);
    // Of background 1 of 2 pixels, of the second class 2 of 3.
    expect(html).toMatch(/4 ★.*58\.33 %.*75\.00 %/);
    expect(html).toContain('background:rgb(128,0,0)"></span>&lt;cat&gt; &amp; &quot;dog&quot;');
    expect(html).toMatch(/<meter min="0" max="1" value="0\.6667" aria-label="IU of /);
    expect(html).toContain('Update 4: all &lt;background&gt;');
  });

  it('names every picture for those who do not see it', () => {
    const predictions = [{ update: 4, labels: Uint8Array.of(1), shares: 'background 80 %' }];
    const html = page([start], {
      samples: [{ id: 'p"1', photo: Uint8Array.of(1), truth: Uint8Array.of(2), predictions }],
    });
    expectWellFormed(html);
    expect(html.match(/<img /g)).toHaveLength(3);
    expect(html).toContain('alt="prediction for p&quot;1 at update 4: background 80 %"');
  });
});

describe('the pictures of a run', () => {
  const folders: string[] = [];
  afterEach(() => Promise.all(folders.splice(0).map((f) => rm(f, { recursive: true }))));
  const board = async (count: number) => {
    folders.push(await mkdtemp(join(tmpdir(), 'pixelwise-samples-')));
    const ids = Array.from({ length: count }, (_, i) => `p${i}`);
    return new SampleBoard(folders[0]!, { ids, classes: ['background', 'cat'], palette: vocPalette() });
  };
  const [width, height] = [400, 200];
  const sample = (id: string) => ({
    id,
    picture: { width, height, data: new Uint8Array(width * height * 3).fill(90) },
    labels: { width, height, data: new Uint8Array(width * height).fill(1) },
  });

  it('are four of a split, its first and last among them, small, and the same each time', async () => {
    const samples = await board(10);
    const predicted = new Uint8Array(width * height).fill(0, 0, 40_000).fill(1, 40_000);
    for (const at of [5, 10]) for (let i = 0; i < 10; i++) await samples.add(at, i, sample(`p${i}`), predicted);
    const rows = await samples.rows();
    expect(rows.map((r) => r.id)).toEqual(['p0', 'p3', 'p6', 'p9']);
    for (const { photo, truth, predictions } of rows) {
      const { format, ...seen } = await sharp(photo).metadata();
      expect([format, seen.width, seen.height]).toEqual(['jpeg', 176, 88]);
      const map = decodeLabelMap(truth);
      expect([map.width, map.height, new Set(map.data)]).toEqual([176, 88, new Set([1])]);
      expect(predictions.map((p) => p.update)).toEqual([5, 10]);
      expect(predictions[0]!.shares).toBe('background 50 %, cat 50 %');
    }
  });

  it('show the first, the last and some between, however many there are', async () => {
    const samples = await board(1);
    for (let at = 1; at <= 30; at++) await samples.add(at, 0, sample('p0'), new Uint8Array(width * height));
    const [row] = await samples.rows();
    expect(row!.predictions.map((p) => p.update)).toEqual([1, 7, 13, 18, 24, 30]);
  });

  it('that will be made again go', async () => {
    const samples = await board(1);
    expect(await samples.rows()).toEqual([]);
    for (const at of [5, 10]) await samples.add(at, 0, sample('p0'), new Uint8Array(width * height));
    await samples.start(7);
    expect((await samples.rows())[0]!.predictions.map((p) => p.update)).toEqual([5]);
    const half = join(folders[0]!, 'samples', '.0-truth.png.b6bb0a0f2e38.part');
    await writeFile(half, 'killed while it was written');
    await samples.start(-1);
    expect(await samples.rows()).toEqual([]);
    await expect(access(half)).rejects.toThrow('ENOENT');
  });
});
