/** @file The label doctor: every diagnosis is made where it belongs, and none on good data. */

import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { camvid, voc } from '../../src/data/classes.js';
import { examine } from '../../src/data/doctor/examine.js';
import { luma, mapOptions, readLabels } from '../../src/data/doctor/labels.js';
import { readPassed, writePassed } from '../../src/data/doctor/passed.js';
import { preflight } from '../../src/data/doctor/preflight.js';
import type { Finding, Report } from '../../src/data/doctor/report.js';
import { type Color, vocPalette } from '../../src/image/palette.js';
import {
  good,
  goodSamples,
  height,
  indexPng,
  labels,
  type MadeSample,
  openAll,
  painted,
  picture,
  width,
  writeSet,
} from '../support/made-set.js';
import { writeTree } from '../support/tree.js';

const turnedSize = { width: height, height: width };

async function report(train: Record<string, MadeSample>, val?: Record<string, MadeSample>): Promise<Report> {
  const root = await writeSet({ train, ...(val && { val }) });
  return examine(await openAll(root, 'train', ...(val ? ['val'] : [])));
}

/** The findings on a good set with one more sample. */
async function withSample(sample: MadeSample): Promise<{ codes: string[]; bad: readonly string[]; found: Finding }> {
  const { findings, splits } = await report({ ...(await goodSamples('g', 0)), odd: sample });
  const found = findings[0] as Finding;
  return { codes: findings.map((f) => f.code), bad: splits[0]?.bad ?? [], found };
}

/** The findings on a set whose masks all hold labels like these. */
async function withLabels(change: (label: number) => number, classes = 20): Promise<readonly Finding[]> {
  const samples = Object.fromEntries(
    await Promise.all(
      Array.from({ length: classes }, async (_, i) => {
        const mask = indexPng(labels(1 + i).map(change));
        return [`p${i}`, { picture: await picture(i), mask }] as const;
      }),
    ),
  );
  return (await report(samples)).findings;
}

const pixels = (data: Uint8Array, channels: 1 | 3 = 1) => sharp(data, { raw: { width, height, channels } });

describe('good data', () => {
  it('has no findings, and its classes are counted', async () => {
    const { findings, splits } = await report(await goodSamples('t', 0), await goodSamples('v', 100));
    expect(findings).toEqual([]);
    const frame = 2 * width + 2 * height - 4;
    expect(splits.map((s) => [s.split, s.samples, s.bad, s.voidPixels])).toEqual([
      ['train', 4, [], 4 * frame],
      ['val', 4, [], 4 * frame],
    ]);
    // Above the middle, 14 rows of stripes four pixels wide or less; below, 14 rows of background.
    expect(splits[0]?.classes.slice(0, 2)).toEqual([
      { name: 'background', pixels: 4 * 14 * (width - 2), pictures: 4 },
      { name: 'aeroplane', pixels: 2 * 14 * 4, pictures: 2 },
    ]);
    const counted = splits[0]?.classes.reduce((n, c) => n + c.pixels, 0) ?? 0;
    expect(counted + 4 * frame).toBe(4 * width * height);
  });

  it('may hold upright pictures with any EXIF entry, when the masks fit them as they are seen', async () => {
    const stored = await picture(77, turnedSize, 6);
    expect((await withSample({ picture: stored, mask: indexPng(labels(3)) })).codes).toEqual([]);
  });
});

describe('one broken sample', () => {
  const mask = indexPng(labels(3));

  it.each<[string, () => Promise<MadeSample>, RegExp]>([
    ['missing-picture', async () => ({ mask }), /Restore/],
    ['missing-mask', async () => ({ picture: await picture(77) }), /Restore/],
    ['unreadable-picture', async () => ({ picture: (await picture(77)).subarray(0, 300), mask }), /again/],
    ['unreadable-picture', async () => ({ picture: new Uint8Array(), mask }), /again/],
    ['unreadable-picture', async () => ({ picture: new TextEncoder().encode('<html>'), mask }), /again/],
    ['unreadable-mask', async () => ({ picture: await picture(77), mask: mask.subarray(0, 120) }), /again/],
    ['unreadable-mask', async () => ({ picture: await picture(77), mask: new Uint8Array() }), /again/],
    [
      'color-mask',
      async () => ({ picture: await picture(77), mask: await painted(labels(3)).png().toBuffer() }),
      /convert voc:\S+ -o NEW/,
    ],
    [
      'color-mask',
      async () => ({ picture: await picture(77), mask: await painted(labels(3)).ensureAlpha().png().toBuffer() }),
      /convert/,
    ],
    [
      'blurred-color-mask',
      async () => ({ picture: await picture(77), mask: await painted(labels(3)).blur(1).png().toBuffer() }),
      /--nearest/,
    ],
    [
      'grey-color-mask',
      async () => {
        const grey = Uint8Array.from([...labels(3)].flatMap((v) => [v, v, v]));
        return { picture: await picture(77), mask: await pixels(grey, 3).png().toBuffer() };
      },
      /convert/,
    ],
    [
      'unknown-colors',
      async () => {
        const odd = Uint8Array.from([...labels(3)].flatMap((v) => (v === 3 ? [1, 2, 3] : [250, 251, 252])));
        return { picture: await picture(77), mask: await pixels(odd, 3).png().toBuffer() };
      },
      /--palette FILE/,
    ],
    [
      'lossy-mask',
      async () => ({ picture: await picture(77), mask: await painted(labels(3)).jpeg().toBuffer() }),
      /PNG/,
    ],
    [
      'soft-mask',
      async () => {
        // Three in-between columns at every edge, as interpolation leaves them.
        const soft = labels(16).map((v, at) =>
          v === 255 ? v : ([16, 12, 8, 4, 0][Math.max(0, Math.min(4, (at % width) - 17))] as number),
        );
        return { picture: await picture(77), mask: indexPng(soft) };
      },
      /smoothing/,
    ],
    ['exif-rotated', async () => ({ picture: await picture(77, undefined, 6), mask }), /turns the masks/],
    [
      'size-mismatch',
      async () => ({ picture: await picture(77, { width: 20, height: 15 }), mask }),
      /nearest neighbour/,
    ],
    ['out-of-range', async () => ({ picture: await picture(77), mask: indexPng(labels(99)) }), /--map 99=255/],
  ])('%s is found, its fix is told, and training can leave it out', async (code, make, fix) => {
    const { codes, bad, found } = await withSample(await make());
    expect(codes).toEqual([code]);
    expect(found.fix).toMatch(fix);
    expect(found).toMatchObject({ severity: 'error', count: 1 });
    expect(found.files.join()).toMatch(/odd\.(jpg|png)$/);
    expect(bad).toEqual(['odd']);
  });

  it.each<[string, string, () => Promise<MadeSample>]>([
    ['exif-unclear', 'warning', async () => ({ picture: await picture(77, undefined, 3), mask })],
    ['all-void', 'warning', async () => ({ picture: await picture(77), mask: indexPng(labels(3).fill(255)) })],
    ['only-background', 'note', async () => ({ picture: await picture(77), mask: indexPng(labels(0)) })],
    ['duplicate', 'warning', async () => good(3)],
  ])('%s is a %s, and the sample stays', async (code, severity, make) => {
    const { codes, bad, found } = await withSample(await make());
    expect(codes).toEqual([code]);
    expect(found).toMatchObject({ severity, count: 1 });
    expect(bad).toEqual([]);
  });

  it('equal pictures with different masks contradict each other', async () => {
    const { picture } = await good(3);
    expect((await withSample({ picture, mask })).codes).toEqual(['contradicting-masks', 'duplicate']);
  });
});

describe('numbers that mean something else, in all masks', () => {
  it.each<[string, (label: number) => number, string]>([
    ['off-by-one', (v) => (v === 255 ? v : v + 1), '--map 1=0,2=1,3=2'],
    ['binary', (v) => (v === 0 || v === 255 ? 0 : 255), '--map 255=1'],
    ['binary', (v) => (v === 0 || v === 255 ? 0 : 128), '--map 128=1'],
    ['grey-levels', (v) => (v === 255 ? 0 : v % 2 === 0 ? 120 : 240), '--map 120=1,240=2'],
    ['shifted-void', (v) => (v === 255 ? 254 : v), '--map 254=255'],
    ['grey-palette', (v) => luma(vocPalette()[v] as Color), 'Go back to the masks in colour'],
  ])('%s', async (code, change, map) => {
    const findings = await withLabels(change);
    const [found] = findings.filter((f) => f.severity === 'error');
    expect(found?.code).toBe(code);
    expect(found?.fix).toContain(map);
    expect(findings.filter((f) => f.code === 'unused-class')).toEqual([]);
  });

  it('0 for "no class" and the classes from 1 on', () => {
    const facts = { classes: camvid.classes, palette: camvid.palette, values: Array.from({ length: 12 }, (_, i) => i) };
    const meaning = new Map(Array.from({ length: 11 }, (_, i) => [i, i]));
    const reading = readLabels({ ...facts, meaning });
    expect(reading?.code).toBe('off-by-one');
    expect(mapOptions(reading?.map ?? new Map())).toBe(
      `--map 0=255,${Array.from({ length: 11 }, (_, i) => `${i + 1}=${i}`).join(',')}`,
    );
    // CamVid as SegNet stores it: label 11 means void, so nothing is wrong.
    expect(readLabels({ ...facts, meaning: new Map([...meaning, [11, 255]]) })).toBeUndefined();
  });

  it('a palette in grey whose classes differ in brightness', () => {
    const facts = { classes: camvid.classes, palette: camvid.palette, meaning: new Map([[0, 0]]) };
    const [sky, building, tree] = [0, 1, 5].map((label) => luma(camvid.palette[label] as Color)) as [
      number,
      number,
      number,
    ];
    const reading = readLabels({ ...facts, values: [building, tree, sky] });
    expect(reading?.code).toBe('grey-palette');
    expect([...(reading?.map ?? [])]).toEqual([
      [building, 1],
      [tree, 5],
      [sky, 0],
    ]);
  });

  it('legal labels are never read as anything else, and no map leads outside the classes', () => {
    const meaning = new Map([...voc.classes.keys(), 255].map((v) => [v, v]));
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 24 }), (drawn) => {
        const values = drawn.sort((a, b) => a - b);
        const reading = readLabels({ ...voc, values, meaning });
        const isBinary = values.length === 2 && values[0] === 0 && values[1] === 255;
        if (values.every((v) => meaning.has(v)) && !isBinary) expect(reading).toBeUndefined();
        else expect(reading).toBeDefined();
        for (const label of reading?.map?.values() ?? []) expect(meaning.has(label)).toBe(true);
      }),
    );
  });
});

describe('the set as a whole', () => {
  it('unused and untrained classes, no void', async () => {
    const bare = (i: number) => indexPng(labels(i).map((v) => (v === 255 ? 0 : v)));
    const train = { a: { picture: await picture(1), mask: bare(1) } };
    const val = { b: { picture: await picture(2), mask: bare(2) } };
    const { findings } = await report(train, val);
    expect(findings.map((f) => [f.severity, f.code])).toEqual([
      ['warning', 'unused-class'],
      ['warning', 'untrained-class'],
      ['note', 'no-void'],
    ]);
    expect(findings[0]?.message).toMatch(/18 of 21 classes never occur: bird, boat/);
    expect(findings[1]?.message).toMatch(/'val' that 'train' lacks: bicycle/);
  });

  it('pictures of both splits, by content: another file of equal pixels, and one that looks the same', async () => {
    const [train, val] = [await goodSamples('t', 0), await goodSamples('v', 100)];
    const same = await sharp(train.t2?.picture).png().toBuffer();
    const alike = await sharp(train.t3?.picture).modulate({ brightness: 1.02 }).jpeg({ quality: 80 }).toBuffer();
    const { findings } = await report(train, {
      ...val,
      v0: { ...val.v0, picture: same },
      v1: { ...val.v1, picture: alike },
    });
    const [across, ...others] = findings;
    expect(across).toMatchObject({ severity: 'error', code: 'duplicate-across-splits', count: 1 });
    expect(across?.files[0]).toMatch(/t2\.jpg = .*v0\.jpg$/);
    expect(others.map((f) => f.code)).toEqual(['near-duplicate-across-splits']);
    expect(others[0]?.files[0]).toMatch(/t3\.jpg = .*v1\.jpg$/);
  });

  it('flat pictures are not taken for each other', async () => {
    const flat = (color: string) =>
      sharp({ create: { width, height, channels: 3, background: color } })
        .jpeg()
        .toBuffer();
    const mask = indexPng(labels(1));
    const { findings } = await report(
      { a: { picture: await flat('#102030'), mask } },
      { b: { picture: await flat('#a0b0c0'), mask } },
    );
    expect(findings.map((f) => f.code)).toEqual(['unused-class']);
  });

  it('many broken files: a few are named, all are counted', async () => {
    const broken = Array.from({ length: 9 }, async (_, i) => [`x${i}`, { picture: await picture(i) }] as const);
    const { findings, splits } = await report(Object.fromEntries(await Promise.all(broken)));
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ code: 'missing-mask', count: 9 });
    expect(findings[0]?.files).toHaveLength(5);
    expect(splits[0]?.bad).toHaveLength(9);
  });

  it('can be called off, and tells how far it is', async () => {
    const root = await writeSet({ train: await goodSamples('t', 0, 12) });
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = (done: number, total: number) => {
      seen.push(done);
      expect(total).toBe(12);
      if (done === 3) controller.abort(new Error('enough'));
    };
    const running = examine(await openAll(root, 'train'), { signal: controller.signal, onProgress });
    await expect(running).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('before training', () => {
  it('good data is opened as it is', async () => {
    const root = await writeSet({ train: await goodSamples('t', 0) });
    const { dataset, skipped } = await preflight(`voc:${root}`, 'train');
    expect(skipped).toEqual([]);
    expect(dataset.ids).toHaveLength(4);
    expect(dataset.without).toBeUndefined();
  });

  it('broken data is refused with a summary; skipBad leaves the broken samples out', async () => {
    const samples = await goodSamples('t', 0);
    const root = await writeSet({
      train: { ...samples, t1: { picture: samples.t1?.picture }, t2: { ...samples.t2, mask: indexPng(labels(77)) } },
    });
    const refused = await preflight(`voc:${root}`, 'train').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'ERR_DATA', subject: `voc:${root}` });
    expect(String(refused)).toMatch(
      /1 picture has no mask[\s\S]*t1\.png[\s\S]*77[\s\S]*data check voc:\S+ --split train[\s\S]*--skip-bad/,
    );
    const { dataset, skipped } = await preflight(`voc:${root}`, 'train', { skipBad: true });
    expect(skipped).toEqual(['t1', 't2']);
    expect(dataset.ids).toHaveLength(2);
    expect(dataset.ids).not.toContain('t1');
    expect(dataset.without).toEqual(['t1', 't2']);
    expect((await dataset.load(1)).id).toBe('t3');
  });

  it('with no good sample there is nothing to train on', async () => {
    const root = await writeSet({ train: { a: { picture: await picture(1) } } });
    await expect(preflight(`voc:${root}`, 'train', { skipBad: true })).rejects.toThrow(/No sample would be left/);
  });

  it('is not looked at again as long as nothing changes', async () => {
    const root = await writeSet({ train: await goodSamples('t', 0) });
    const spec = `voc:${root}`;
    const looks: number[] = [];
    const onProgress = (done: number): void => {
      looks.push(done);
    };
    const { passed } = await preflight(spec, 'train', { onProgress });
    expect(looks).toEqual([1, 2, 3, 4]);
    const again = await preflight(spec, 'train', { passed, onProgress });
    expect(looks).toHaveLength(4);
    expect(again).toMatchObject({ skipped: [], passed });
    expect(again.report).toBeUndefined();
    expect(again.dataset.ids).toHaveLength(4);
    // A mask of the same size in bytes, written later; and a list that has lost its last line.
    const mask = join(root, 'SegmentationClass/t2.png');
    const kept = await readFile(mask);
    await writeFile(mask, kept);
    await utimes(mask, new Date(), new Date(Date.now() + 5000));
    const changed = await preflight(spec, 'train', { passed, onProgress });
    expect(looks).toHaveLength(8);
    expect(changed.passed.fingerprint).not.toBe(passed.fingerprint);
    await writeFile(join(root, 'ImageSets/Segmentation/train.txt'), 't0\nt1\nt2\n');
    await preflight(spec, 'train', { passed: changed.passed, onProgress });
    expect(looks).toHaveLength(11);
    // What has broken since is found.
    await writeFile(mask, kept.subarray(0, 40));
    await expect(preflight(spec, 'train', { passed: changed.passed })).rejects.toThrow(/Cannot train on 'train'/);
  });

  it('an earlier look that left samples out counts only where they may be left out', async () => {
    const samples = await goodSamples('t', 0);
    const root = await writeSet({ train: { ...samples, t2: { ...samples.t2, mask: indexPng(labels(77)) } } });
    const spec = `voc:${root}`;
    const { passed } = await preflight(spec, 'train', { skipBad: true });
    expect(passed.skipped).toEqual(['t2']);
    const again = await preflight(spec, 'train', { skipBad: true, passed });
    expect(again.report).toBeUndefined();
    expect(again.dataset.ids).toEqual(['t0', 't1', 't3']);
    await expect(preflight(spec, 'train', { passed })).rejects.toThrow(/77/);
  });

  it.each(['', '{', '[1]', '{"train":{"fingerprint":1}}'])('notes that are %j count for nothing', async (text) => {
    const file = join(await writeTree({ 'data.json': text }), 'data.json');
    expect([...(await readPassed(file))]).toEqual([]);
    const passed = new Map([['val', { fingerprint: 'f', skipped: ['a'] }]]);
    await writePassed(file, passed);
    expect(await readPassed(file)).toEqual(passed);
  });
});
