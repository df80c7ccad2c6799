/**
 * @file The fully connected CRF against pydensecrf with the parameters that people use, and for two classes on a large
 * picture: time and the memory that it takes, each row in processes of its own.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPeer, type Timing } from './crf.js';
import { type CrfCase, enlargedToTwo, readCase } from './crf-case.js';
import type { Bench } from './main.js';
import { median, Side } from './side.js';

/** Weights and sigmas as `kernelsOf` names them. */
type Values = Readonly<Record<'w1' | 'sa' | 'sb' | 'w2' | 'sg', number>>;

const spatial = { w2: 3, sg: 3 } as const;
const [deeplab, plain] = [
  { ...spatial, w1: 4, sa: 121, sb: 5 },
  { ...spatial, w1: 5, sa: 50, sb: 10 },
];
/** The last two: pydensecrf's README, deeplab-pytorch. */
const small: Readonly<Record<string, Values>> = {
  '4/121/5': deeplab,
  '5/50/10': plain,
  '10/80/13': { ...spatial, w1: 10, sa: 80, sb: 13 },
  '4/67/3, sigma gamma 1': { w1: 4, sa: 67, sb: 3, w2: 3, sg: 1 },
};
const large = { width: 1920, height: 1080 } as const;

interface Row {
  readonly peer?: number;
  readonly one: number;
  readonly two: number;
  readonly ratio?: number;
  /** Above the inputs, with one thread, in MB. */
  readonly megabytes: { readonly ours: number; readonly peer?: number };
}

async function measured(c: CrfCase, values: Values, steps: number, say: (line: string) => void): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'pixelwise-crf-'));
  const ours = Side.ours('crf');
  const peer = await openPeer(say);
  const settings = Object.entries({ ...values, normalization: 'symmetric' })
    .map(([k, v]) => `${k}=${v}`)
    .join();
  const { width, height, classes } = c;
  const job = { folder, width, height, classes, settings, values, fast: false, preview: '' };
  try {
    writeFileSync(join(folder, 'image.u8'), c.image);
    writeFileSync(join(folder, 'unary.f32'), c.energies);
    const times = { peer: [] as number[], one: [] as number[], two: [] as number[] };
    // The first of each warms it up, and its process has held nothing else before.
    const first = { ours: await ours.ask<Timing>({ ...job, threads: 1 }), peer: await peer?.ask<Timing>(job) };
    for (const threads of [2, 1, 2]) await ours.ask({ ...job, threads });
    for (let i = 0; i < steps; i++) {
      if (peer) times.peer.push((await peer.ask<Timing>(job)).milliseconds);
      times.one.push((await ours.ask<Timing>({ ...job, threads: 1 })).milliseconds);
      times.two.push((await ours.ask<Timing>({ ...job, threads: 2 })).milliseconds);
    }
    const [one, two] = [median(times.one), median(times.two)];
    const theirs = peer && median(times.peer);
    const megabytes = { ours: first.ours.memory / 1e6, ...(first.peer && { peer: first.peer.memory / 1e6 }) };
    return { one, two, ...(theirs !== undefined && { peer: theirs, ratio: theirs / one }), megabytes };
  } finally {
    await Promise.all([ours.end(), peer?.end()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

export const crfRows: Bench = {
  steps: 3,
  async run({ steps, say }) {
    const c = await readCase(say);
    const rows: Record<string, Row> = {};
    const work = [
      ...Object.entries(small).map(([name, values]) => [name, c, values] as const),
      [`two classes, ${large.width}x${large.height}`, await enlargedToTwo(c, large), deeplab] as const,
    ];
    for (const [name, picture, values] of work) {
      const row = await measured(picture, values, steps, say);
      rows[name] = row;
      const { one, two, peer, megabytes } = row;
      const beside = peer === undefined ? '' : `, peer ${peer.toFixed(0)} (${row.ratio!.toFixed(2)}x)`;
      const memory = `${megabytes.ours.toFixed(0)} MB${megabytes.peer === undefined ? '' : ` against ${megabytes.peer.toFixed(0)}`}`;
      say(`${name}: one thread ${one.toFixed(0)}, two ${two.toFixed(0)}${beside} ms; ${memory}`);
    }
    const list = Object.values(rows);
    const worst = list.reduce((a, b) => ((b.ratio ?? 0) < (a.ratio ?? 0) ? b : a));
    return {
      ours: worst.one,
      ...(worst.peer !== undefined && { peer: worst.peer, ratio: worst.ratio! }),
      unit: 'ms, one thread, the row with the smallest ratio',
      rows,
      setup: { picture: c.name },
    };
  },
};
