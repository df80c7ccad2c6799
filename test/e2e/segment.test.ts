/** @file `pixelwise segment` as users run it: good pictures, odd pictures, files that are none, and Ctrl-C. */

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { readLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { filesIn, jsonLines, linesOf, pixelwise, type Ran, temporaryFolder } from '../support/cli.js';

interface Done {
  input: string;
  width: number;
  height: number;
  classes: { id: number; name: string; pixels: number; share: number }[];
  mask: string;
  overlay: string;
}

interface Failed {
  input: string;
  error: { code: string; message: string };
}

const work = temporaryFolder();
const examples = ['astronaut', 'chelsea', 'coffee'].map((name) =>
  fileURLToPath(new URL(`../../examples/${name}.jpg`, import.meta.url)),
);
const chelsea = examples[1]!;
const sizes: Record<string, [width: number, height: number]> = {
  astronaut: [512, 512],
  chelsea: [451, 300],
  coffee: [600, 400],
};

/** The colours stored in an index PNG. */
function paletteOf(png: Uint8Array): number[] {
  const at = Buffer.from(png).indexOf('PLTE');
  const length = Buffer.from(png).readUInt32BE(at - 4);
  return [...png.subarray(at + 4, at + 4 + length)];
}

/** Bit depth and colour type of a PNG. */
const kindOf = (png: Uint8Array) => ({ depth: png[24], color: png[25] });

async function expectResult(done: Done, width: number, height: number): Promise<void> {
  expect(Object.keys(done)).toEqual(expect.arrayContaining(['input', 'width', 'height', 'classes', 'mask', 'overlay']));
  expect([done.width, done.height]).toEqual([width, height]);
  const mask = await readLabelMap(done.mask);
  expect([mask.width, mask.height]).toEqual([width, height]);
  const counts = new Map<number, number>();
  for (const label of mask.data) counts.set(label, (counts.get(label) ?? 0) + 1);
  expect(new Map(done.classes.map((c) => [c.id, c.pixels]))).toEqual(counts);
  expect(done.classes.reduce((sum, c) => sum + c.share, 0)).toBeCloseTo(1, 9);
  for (const c of done.classes) {
    expect(Object.keys(c)).toEqual(['id', 'name', 'pixels', 'share']);
    expect(c.share).toBeCloseTo(c.pixels / (width * height), 12);
  }
  const overlay = await sharp(done.overlay).metadata();
  expect(overlay.width).toBe(width);
  // The legend lies below the picture.
  expect(overlay.height).toBeGreaterThan(height);
}

describe('good pictures', () => {
  let ran: Ran;
  const out = join(work, 'new/folder');
  beforeAll(async () => {
    ran = await pixelwise(['segment', ...examples, '-o', out, '--json']);
  });

  it('ends with 0 and says nothing on stderr', () => {
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });

  it('prints one object per picture, in order, and makes the folder', async () => {
    const done = jsonLines<Done>(ran.stdout);
    expect(done.map((d) => d.input)).toEqual(examples);
    for (const d of done) {
      const name = basename(d.input, '.jpg');
      expect(d.mask).toBe(join(out, `${name}.mask.png`));
      expect(d.overlay).toBe(join(out, `${name}.overlay.png`));
      await expectResult(d, ...sizes[name]!);
    }
  });

  it('writes masks as index PNG with the palette of VOC, and nothing else', async () => {
    for (const name of Object.keys(sizes)) {
      const png = await readFile(join(out, `${name}.mask.png`));
      expect(kindOf(png)).toEqual({ depth: 8, color: 3 });
      expect(paletteOf(png)).toEqual(vocPalette(21).flat());
    }
    expect(await filesIn(out)).toEqual(
      Object.keys(sizes)
        .flatMap((name) => [`${name}.mask.png`, `${name}.overlay.png`])
        .sort(),
    );
  });

  it('writes beside the picture without -o, and reports in words without --json', async () => {
    const folder = join(work, 'beside');
    await mkdir(folder);
    await copyFile(chelsea, join(folder, 'my cat.jpg'));
    const { code, stdout, stderr } = await pixelwise(['segment', 'my cat.jpg', '--long-side', '96'], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(linesOf(stdout)[0]).toMatch(/^my cat\.jpg {2}451 x 300 {2}\d+ ms$/);
    expect(stdout).toMatch(/^ +\d+\.\d % {2}\w+ +█+$/m);
    expect(stdout).toContain('mask     my cat.mask.png\n  overlay  my cat.overlay.png');
    expect(await filesIn(folder)).toEqual(['my cat.jpg', 'my cat.mask.png', 'my cat.overlay.png']);
  });
});

describe('odd pictures and files that are none', () => {
  const folder = join(work, 'odd');
  const out = join(work, 'odd-out');
  const file = (name: string) => join(folder, name);
  /** Every broken input: its error must name the file and match. */
  const broken: Record<string, RegExp> = {
    'text.jpg': /not an image that can be read.*Expected JPEG.*ERR_IMAGE/,
    'cut.jpg': /damaged or cut short.*Copy or download it again.*ERR_IMAGE/,
    'zero.png': /empty \(zero bytes\).*Copy or download it again.*ERR_IMAGE/,
    'folder.jpg': /has no picture in it.*Expected JPEG.*ERR_FILE/,
    'missing.jpg': /does not exist.*Check the path.*ERR_FILE/,
  };
  /** Every odd input that must work, and its size. */
  const fine: Record<string, [width: number, height: number]> = {
    'plain.png': [96, 64],
    'deep.png': [96, 64],
    'grey.jpg': [96, 64],
    'cmyk.jpg': [96, 64],
    'alpha.png': [96, 64],
    'rotated.jpg': [64, 96],
    'upright.png': [64, 96],
    'one.png': [1, 1],
  };
  // Broken ones between the good ones: what follows must still be done.
  const inputs = [...Object.keys(broken).slice(0, 3), ...Object.keys(fine), ...Object.keys(broken).slice(3)].map(file);
  let ran: Ran;
  let lines: (Done | Failed)[];

  beforeAll(async () => {
    await mkdir(file('folder.jpg'), { recursive: true });
    const bytes = await readFile(chelsea);
    await writeFile(file('text.jpg'), 'This is no picture.');
    await writeFile(file('cut.jpg'), bytes.subarray(0, bytes.length / 2));
    await writeFile(file('zero.png'), '');
    const small = () => sharp(bytes).resize(96, 64, { fit: 'fill' });
    const { data } = await small().raw().toBuffer({ resolveWithObject: true });
    const raw = { width: 96, height: 64, channels: 3 as const };
    await sharp(data, { raw }).png().toFile(file('plain.png'));
    // Every 16-bit value has the 8-bit value as both of its bytes.
    await sharp(
      Uint16Array.from(data, (v) => 257 * v),
      { raw },
    )
      .toColourspace('rgb16')
      .png()
      .toFile(file('deep.png'));
    await small().toColourspace('b-w').jpeg().toFile(file('grey.jpg'));
    await small().toColourspace('cmyk').jpeg().toFile(file('cmyk.jpg'));
    await small().ensureAlpha(0.5).png().toFile(file('alpha.png'));
    await small().withMetadata({ orientation: 6 }).jpeg().toFile(file('rotated.jpg'));
    await sharp(file('rotated.jpg')).autoOrient().png().toFile(file('upright.png'));
    await small().resize(1, 1).png().toFile(file('one.png'));
    ran = await pixelwise(['segment', ...inputs, '-o', out, '--json']);
    lines = jsonLines(ran.stdout);
  });

  it('are what their names say', async () => {
    const kinds = await Promise.all(
      ['deep.png', 'grey.jpg', 'cmyk.jpg', 'alpha.png', 'rotated.jpg'].map(async (name) => {
        const { depth, channels, space, orientation } = await sharp(file(name)).metadata();
        return [depth, channels, space, orientation];
      }),
    );
    expect(kinds).toEqual([
      ['ushort', 3, 'rgb16', undefined],
      ['uchar', 1, 'b-w', undefined],
      ['uchar', 4, 'cmyk', undefined],
      ['uchar', 4, 'srgb', undefined],
      ['uchar', 3, 'srgb', 6],
    ]);
  });

  it('ends with 1, having done the others', () => {
    expect(ran.code).toBe(1);
    expect(lines.map((l) => l.input)).toEqual(inputs);
    expect(linesOf(ran.stderr).at(-1)).toBe(`5 of ${inputs.length} pictures failed; the others are done.`);
  });

  it.each(Object.entries(broken))('%s: one error with its name and what to do', (name, expected) => {
    const about = linesOf(ran.stderr).filter((line) => line.includes(name));
    expect(about).toHaveLength(1);
    expect(about[0]).toMatch(expected);
    const line = lines.find((l) => l.input === file(name)) as Failed;
    expect(about[0]).toBe(`${file(name)}: ${line.error.message} [${line.error.code}]`);
  });

  it.each(Object.entries(fine))('%s: the right size', async (name, [width, height]) => {
    await expectResult(lines.find((l) => l.input === file(name)) as Done, width, height);
  });

  it('sees 16-bit and turned pictures as their plain forms', async () => {
    const mask = (name: string) => readFile(join(out, `${name}.mask.png`));
    expect(await mask('deep')).toEqual(await mask('plain'));
    expect(await mask('rotated')).toEqual(await mask('upright'));
  });

  it('leaves no file but the results', async () => {
    const names = Object.keys(fine).map((name) => name.replace(/\.\w+$/, ''));
    expect(await filesIn(out)).toEqual(names.flatMap((n) => [`${n}.mask.png`, `${n}.overlay.png`]).sort());
  });
});

describe('a picture of 108 megapixels', () => {
  it('is done at its own size, within 1.5 GB and a minute of computing', async () => {
    const [width, height] = [12_000, 9_000];
    const input = join(work, 'big.jpg');
    await sharp({ create: { width, height, channels: 3, background: '#a8621e' }, limitInputPixels: false })
      .jpeg()
      .toFile(input);
    const { code, stdout, stderr, peakBytes, cpuSeconds } = await pixelwise(['segment', input, '-o', work, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [done] = jsonLines<Done>(stdout);
    expect(done).toMatchObject({ width, height });
    expect(done!.classes.reduce((sum, c) => sum + c.pixels, 0)).toBe(width * height);
    for (const [file, tall] of [[done!.mask, false] as const, [done!.overlay, true] as const]) {
      const size = await sharp(file, { limitInputPixels: false }).metadata();
      expect(size.width).toBe(width);
      expect(size.height > height).toBe(tall);
    }
    expect(peakBytes).toBeLessThan(1.5e9);
    expect(cpuSeconds).toBeLessThan(60);
  });

  it('is refused with --max-pixels', async () => {
    const input = join(work, 'one-too-many.png');
    await sharp({ create: { width: 40, height: 30, channels: 3, background: '#123456' } })
      .png()
      .toFile(input);
    const { code, stderr } = await pixelwise(['segment', input, '--max-pixels', '1000']);
    expect(code).toBe(1);
    expect(linesOf(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/one-too-many\.png.*at most 1000, received 40 x 30 = 1200/);
  });
});

describe('output folders', () => {
  it('take the same picture twice', async () => {
    const out = join(work, 'twice');
    const args = ['segment', chelsea, chelsea, '-o', out, '--json', '--long-side', '64'];
    const { code, stdout } = await pixelwise(args);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toHaveLength(2);
  });
});

describe('Ctrl-C', () => {
  const folder = join(work, 'many');
  const inputs = Array.from({ length: 40 }, (_, i) => join(folder, `p${i}.jpg`));
  beforeAll(async () => {
    await mkdir(folder);
    await Promise.all(inputs.map((file) => copyFile(chelsea, file)));
  });

  it('ends with 130 and leaves complete files only', async () => {
    const out = join(work, 'interrupted');
    const { code, stdout, stderr } = await pixelwise(['segment', ...inputs, '-o', out, '--json'], {
      interruptWhen: (printed) => printed.stdout.includes('\n'),
    });
    expect(code).toBe(130);
    const done = jsonLines<Done>(stdout);
    expect(done.length).toBeLessThan(inputs.length);
    expect(linesOf(stderr)).toEqual([`Interrupted: ${done.length} of ${inputs.length} pictures are done.`]);
    const files = await filesIn(out);
    for (const d of done) expect(files).toEqual(expect.arrayContaining([basename(d.mask), basename(d.overlay)]));
    for (const file of files) {
      expect(file).toMatch(/^p\d+\.(mask|overlay)\.png$/);
      await sharp(join(out, file)).raw().toBuffer();
    }
  });

  it('is what a reader does that leaves', async () => {
    const out = join(work, 'head');
    const ran = await pixelwise(['segment', ...inputs, '-o', out, '--json'], { closeStdout: true });
    expect(ran.code).toBe(130);
    expect(ran.stderr).toMatch(/^Interrupted: \d+ of 40 pictures are done\.\n$/);
  });
});
