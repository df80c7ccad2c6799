/** @file `pixelwise models convert`: weights of any kind into a model file. */

import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { convert, toFloat16 } from '../../catalogue/convert.js';
import { labelSets } from '../../catalogue/label-sets.js';
import type { ClassSet } from '../../data/classes.js';
import { PixelwiseError } from '../../errors.js';
import { readBytes, writeFileAtomic } from '../../files.js';
import { vocPalette } from '../../image/palette.js';
import { writeModel } from '../../weights/model.js';
import { print, say } from '../output.js';

export interface ConvertFileOptions {
  readonly json: boolean;
  readonly force: boolean;
  readonly out: string | undefined;
  readonly network: string | undefined;
  readonly classes: string | undefined;
  readonly order: 'RGB' | 'BGR' | undefined;
  readonly float16: boolean;
}

/** A known set by its name, a list with commas, or a file with a name per line. */
async function classSet(given: string): Promise<ClassSet> {
  const known = Object.hasOwn(labelSets, given) ? labelSets[given] : undefined;
  if (known) return known;
  const names = given.includes(',')
    ? given.split(',')
    : new TextDecoder().decode(await readBytes(given)).split(/\r?\n/);
  return { classes: names.map((n) => n.trim()).filter(Boolean), palette: vocPalette(256) };
}

/** Returns the exit code. */
export async function convertFile(file: string, o: ConvertFileOptions): Promise<number> {
  const out = o.out ?? `${basename(file, extname(file))}.safetensors`;
  if (!o.force && (await stat(out).catch(() => undefined))) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `'${out}' exists. Name another file with -o, or write over it with --force.`,
      {
        subject: out,
      },
    );
  }
  const { description, tensors, said } = convert(await readBytes(file), file, {
    origin: { converted: basename(file) },
    ...(o.network !== undefined && { network: o.network }),
    ...(o.classes !== undefined && { classes: await classSet(o.classes) }),
    ...(o.order !== undefined && { order: o.order }),
  });
  await writeFileAtomic(out, writeModel(description, o.float16 ? toFloat16(tensors) : tensors));
  if (o.json) {
    print(JSON.stringify({ file: out, ...description, said }));
    return 0;
  }
  for (const line of said) say(line);
  say(`use it: pixelwise segment PHOTO --model ${out.includes('/') ? out : `./${out}`}`);
  print(out);
  return 0;
}
