/** @file `pixelwise data`: every action on small data sets, its exit codes and what it leaves. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { filesIn, linesOf, pixelwise, pixelwiseHere, temporaryFolder } from '../support/cli.js';
import { good, goodSamples, indexPng, labels, painted, picture, writeSet } from '../support/made-set.js';

const work = temporaryFolder();

describe('check', () => {
  it('good data: 0, the classes and no findings', async () => {
    const root = await writeSet({ train: await goodSamples('t'), val: await goodSamples('v', 10) });
    const { code, stdout, stderr } = await pixelwise(['data', 'check', `voc:${root}`]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/train: 4 samples, val: 4 samples/);
    expect(stdout).toMatch(/^background +0 +\d+\.\d\d % +4 +4/m);
    expect(stdout).toMatch(/0 errors, 0 warnings, 0 notes\.\n$/);
  });

  it('warnings end with 0, errors with 1; each says what, where and how to mend it', async () => {
    const mask = await painted(labels(3)).png().toBuffer();
    const root = await writeSet({ train: { ...(await goodSamples('t')), odd: { picture: await picture(77), mask } } });
    const { code, stdout } = await pixelwiseHere(['data', 'check', `voc:${root}`]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^error +1 mask holds colours.*\[color-mask\]\n.*odd\.png\n +Fix: pixelwise data convert voc:/m,
    );
    expect(stdout).toMatch(/1 error, 0 warnings, 0 notes\. 1 sample cannot be trained on/);
    await writeFile(join(root, 'SegmentationClass/odd.png'), indexPng(labels(3).fill(255)));
    expect((await pixelwiseHere(['data', 'check', `voc:${root}`])).code).toBe(0);
  });

  it('--json is one object, and the default leaves out lists that hold the same pictures again', async () => {
    const train = await goodSamples('t');
    const root = await writeSet({ train, val: await goodSamples('v', 10), trainval: train });
    const { code, stdout } = await pixelwiseHere(['data', 'check', `voc:${root}`, '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ data: `voc:${root}`, findings: [] });
    expect(report.splits.map((s: { split: string }) => s.split)).toEqual(['train', 'val']);
    const both = await pixelwiseHere(['data', 'check', `voc:${root}`, '--json', '--split', 'train,trainval']);
    expect(both.code).toBe(1);
    expect(JSON.parse(both.stdout).findings[0]).toMatchObject({ code: 'duplicate-across-splits', count: 4 });
    // What is quick decodes no picture, so it cannot know.
    expect((await pixelwiseHere(['data', 'check', `voc:${root}`, '--split', 'train,trainval', '--quick'])).code).toBe(
      0,
    );
  });
});

describe('usage', () => {
  it.each<[string, string[], RegExp]>([
    ['no action', ['data'], /check, stats, browse, convert, split and KIND:PATH/],
    ['an unknown action', ['data', 'chek', 'voc:x'], /Unknown: data chek/],
    ['no data set', ['data', 'stats'], /pixelwise data stats voc:VOC2012/],
    ['an unknown kind', ['data', 'check', 'vok:x'], /Did you mean voc\?/],
    ['convert to nowhere', ['data', 'convert', 'voc:x'], /--out/],
    ['an impossible map', ['data', 'convert', 'voc:x', '-o', 'y', '--map', '1=300'], /Cannot map '1=300'/],
    ['split of a kind without lists', ['data', 'split', 'camvid:x'], /no lists of its own/],
  ])('%s ends with 2', async (_, args, expected) => {
    const { code, stdout, stderr } = await pixelwiseHere(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(expected);
  });
});

describe('stats', () => {
  it('as a table and as JSON', async () => {
    const root = await writeSet({ train: await goodSamples('t') });
    const { code, stdout } = await pixelwiseHere(['data', 'stats', `voc:${root}`]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /train: 4 pictures[\s\S]*aeroplane +1 +\d+ .*\nbicycle[\s\S]*width +40 to 40, median 40[\s\S]*crop +32/,
    );
    const json = JSON.parse((await pixelwiseHere(['data', 'stats', `voc:${root}`, '--json'])).stdout);
    expect(json.splits[0]).toMatchObject({ split: 'train', pictures: 4, crop: 32 });
    expect(json.splits[0].classes).toHaveLength(21);
  });
});

describe('browse', () => {
  it('writes one page that needs nothing else, and never over another', async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const root = await writeSet({
      train: { ...(await goodSamples('t', 0, 3)), broken: { picture: await picture(9) } },
    });
    const out = join(work, 'page.html');
    const spec = `voc:${root}`;
    const { code, stdout, stderr } = await pixelwiseHere(['data', 'browse', spec, '-o', out]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}\n` });
    expect(stderr).toMatch(/1 samples cannot be read/);
    const html = await readFile(out, 'utf8');
    expect(html.match(/<li data-classes="[\d ]+">/g)).toHaveLength(3);
    expect(html.match(/<img [^>]*alt="[^"]+"/g)).toHaveLength(6);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^data:image\//);
    expect(html).toContain('prefers-color-scheme: dark');
    expect((await pixelwiseHere(['data', 'browse', spec, '-o', out])).stderr).toMatch(/exists already/);
    const folder = join(work, 'hostile');
    await pixelwiseHere(['data', 'convert', spec, '--split', 'train', '-o', folder]);
    await rm(join(root, 'ImageSets/Segmentation/train.txt'));
    await writeFile(join(root, 'ImageSets/Segmentation/train.txt'), 't0\n');
    expect((await pixelwiseHere(['data', 'convert', spec, '-o', folder])).code).toBe(0);
    const names = Array.from({ length: 21 }, (_, i) => `${hostile} ${i}`);
    await writeFile(join(folder, 'classes.txt'), `${names.join('\n')}\n`);
    const evil = join(work, 'evil.html');
    expect((await pixelwiseHere(['data', 'browse', `folder:${folder}`, '-o', evil])).code).toBe(0);
    expect(await readFile(evil, 'utf8')).not.toContain('<img src=x');
  });
});

describe('convert and split', () => {
  it('masks of 0 and 255: found, mended by the command that the doctor gives, split, and good', async () => {
    const samples = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const mask = indexPng(labels(1).map((v) => (v === 1 ? 255 : 0)));
        return [`p${i}`, { picture: await picture(i), mask }] as const;
      }),
    );
    const root = await writeSet({ train: Object.fromEntries(samples) });
    const report = JSON.parse((await pixelwiseHere(['data', 'check', `voc:${root}`, '--json'])).stdout);
    expect(report.findings[0]).toMatchObject({ code: 'binary', severity: 'error' });
    const out = join(work, 'mended');
    const [program, ...args] = report.findings[0].fix.replace('NEW', out).split(' ');
    expect(program).toBe('pixelwise');
    const converted = await pixelwiseHere(args);
    expect(converted).toMatchObject({ code: 0, stdout: `${out}\n` });
    const again = await pixelwiseHere(args);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/exists already/);

    await rm(join(out, 'train.txt'));
    const split = await pixelwiseHere(['data', 'split', `folder:${out}`, '--val', '0.3', '--seed', '7']);
    expect(split).toMatchObject({ code: 0, stdout: `${join(out, 'train.txt')}\n${join(out, 'val.txt')}\n` });
    expect(linesOf(await readFile(join(out, 'train.txt'), 'utf8'))).toHaveLength(7);
    expect(linesOf(await readFile(join(out, 'val.txt'), 'utf8'))).toHaveLength(3);
    const twice = await pixelwiseHere(['data', 'split', `folder:${out}`]);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toMatch(/train\.txt' exists already/);

    const checked = JSON.parse((await pixelwiseHere(['data', 'check', `folder:${out}`, '--json'])).stdout);
    expect(checked.findings.map((f: { code: string }) => f.code)).toEqual(['unused-class', 'no-void']);
    const { labels: map } = await (await openDataset(`folder:${out}`, 'val')).load(0);
    expect(new Set(map.data)).toEqual(new Set([0, 1]));
  });

  it('colours of a painting tool, by its list', async () => {
    const colors = join(work, 'labelmap.txt');
    await writeFile(colors, 'ground:0,0,0::\nmark:128,128,0::\nvoid:224,224,192::\n');
    const mask = await painted(labels(3)).png().toBuffer();
    const root = await writeSet({ train: { a: { ...(await good(0)), mask } } });
    const out = join(work, 'painted');
    const { code } = await pixelwiseHere(['data', 'convert', `voc:${root}`, '--palette', colors, '-o', out]);
    expect(code).toBe(0);
    expect(await filesIn(out)).toEqual(['classes.json', 'images/a.jpg', 'masks/a.png', 'train.txt']);
    const dataset = await openDataset(`folder:${out}`, 'train');
    expect(dataset.classes).toEqual(['ground', 'mark']);
    expect([...(await dataset.load(0)).labels.data]).toEqual([...labels(3)].map((v) => (v === 3 ? 1 : v)));
  });
});
