/** @file Files that say which colour stands for which class, as painting tools export them. */

import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import type { Color } from '../image/palette.js';

/** One class and its colour. */
interface LabelColor {
  readonly name: string;
  readonly color: Color;
}

export interface LabelColors {
  /** In label order. */
  readonly classes: readonly LabelColor[];
  /** Colours that mean 255. */
  readonly voids: readonly Color[];
}

/** `name 128 0 64`, `128 0 64 name`, and CVAT's `name:128,0,64:parts:actions`. */
const shapes: readonly [RegExp, name: number, color: number][] = [
  [/^([^:#]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?::.*)?$/, 1, 2],
  [/^(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(.+)$/, 4, 1],
  [/^(.+?)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\d+)$/, 1, 2],
];

/**
 * Read a list of colours, one class a line in label order; empty lines and lines with # do not count. A class called
 * `void`, `unlabelled` or `ignore` has no number of its own: its colour means 255.
 *
 * @throws `ERR_FORMAT` naming the line that is none of the three forms.
 */
export async function readLabelColors(file: string): Promise<LabelColors> {
  const lines = new TextDecoder().decode(await readBytes(file)).split(/\r?\n/);
  const classes: LabelColor[] = [];
  const voids: Color[] = [];
  for (const [i, line] of lines.entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const entry = parse(text);
    if (!entry) {
      throw new PixelwiseError(
        'ERR_FORMAT',
        `Cannot read '${file}': line ${i + 1} is ${JSON.stringify(text.slice(0, 60))}. Expected a class and three numbers ` +
          "from 0 to 255, such as 'road 128 64 128'.",
        { subject: file },
      );
    }
    if (/^(void|unlabell?ed|ignore)$/i.test(entry.name)) voids.push(entry.color);
    else classes.push(entry);
  }
  return { classes, voids };
}

function parse(text: string): LabelColor | undefined {
  for (const [shape, name, color] of shapes) {
    const found = shape.exec(text);
    if (!found) continue;
    const [r, g, b] = [0, 1, 2].map((i) => Number(found[color + i])) as [number, number, number];
    if (Math.max(r, g, b) <= 255) return { name: (found[name] as string).trim(), color: [r, g, b] };
  }
  return undefined;
}
