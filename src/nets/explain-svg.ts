/** @file An explanation as a drawing: the maps of the network, the fields of its middle cells on a picture, and the crops. */

import type { Pair } from '../graph/ir.js';
import type { Crop, Explanation, Layer } from './explain.js';
import { conclusion, sizeText, stepRows } from './explain-text.js';

export interface DrawOptions {
  /** The picture under the fields, as a data URI; it is stretched to the input's size. */
  readonly photo?: string;
}

const width = 1200;
const margin = 30;
const inner = width - 2 * margin;
const ink = '#1d2733';
const faint = '#8a94a0';
const colors = ['#e6550d', '#d4a017', '#31a354', '#1c9099', '#3182bd', '#6a51a3', '#c51b8a', '#a50f15'];

const escaped = (s: string): string => s.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const round = (v: number): string => String(Number(v.toFixed(1)));

function rect(x: number, y: number, w: number, h: number, style: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" ${style}/>`;
}

function label(x: number, y: number, s: string, style = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped(s)}</text>`;
}

/** A part of the drawing and how high it is. */
interface Part {
  readonly svg: string;
  readonly height: number;
}

/** Layers in a row whose maps have one size: the drawing shows maps, not operators. */
interface Stage {
  readonly first: Layer;
  readonly last: Layer;
  readonly count: number;
}

function stagesOf(layers: readonly Layer[]): Stage[] {
  const stages: Stage[] = [];
  for (const layer of layers) {
    const before = stages.at(-1);
    if (before && before.first.size.join() === layer.size.join()) {
      stages[stages.length - 1] = { ...before, last: layer, count: before.count + 1 };
    } else stages.push({ first: layer, last: layer, count: 1 });
  }
  return stages;
}

const slabHeight = 150;

/** One slab per stage: as high as the map, as thick as it has channels, both compressed. */
function maps(stages: readonly Stage[], input: Pair): Part {
  const slot = Math.min(70, inner / stages.length);
  const tallest = Math.sqrt(Math.max(input[0], ...stages.map((s) => s.first.size[0])));
  const drawn = stages.map(({ first, last, count }, i) => {
    const h = Math.max(3, (slabHeight * Math.sqrt(first.size[0])) / tallest);
    const w = Math.max(3, (slot * 0.75 * Math.log2(1 + last.channels)) / 13);
    const x = margin + i * slot + (slot - w) / 2;
    const y = (slabHeight - h) / 2;
    const names = count === 1 ? first.name : `${first.name} … ${last.name}`;
    const facts = `${last.channels} x ${sizeText(first.size)}, stride ${round(first.field.stride[0])}, sees ${sizeText(last.field.size)}`;
    const at = `transform="translate(${round(margin + (i + 0.3) * slot)} ${slabHeight + 14}) rotate(58)"`;
    return [
      rect(x, y, w, h, `fill="${colors[i % colors.length]}" fill-opacity="0.75" stroke="${ink}" stroke-width="0.6"`),
      `<g ${at}>${label(0, 0, names, 'font-weight="bold"')}${label(0, 12, facts, `fill="${faint}"`)}</g>`,
    ].join('');
  });
  return { svg: drawn.join('\n'), height: slabHeight + 290 };
}

const photoSide = 400;

/** Nested fields of the cell in the middle of each stage's last map; what lies beyond the picture sees padding. */
function fields(e: Explanation, stages: readonly Stage[], photo: string | undefined): Part {
  const [h, w] = e.input;
  const scale = photoSide / Math.max(h, w);
  const frame = 1.5 * photoSide;
  const [left, top] = [margin + (frame - w * scale) / 2, (frame - h * scale) / 2];
  const seen = new Set<string>();
  const shown = stages.filter(({ last }) => {
    const key = sizeText(last.field.size);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  const picture = photo
    ? `<image x="${round(left)}" y="${round(top)}" width="${round(w * scale)}" height="${round(h * scale)}" preserveAspectRatio="none" href="${photo}"/>`
    : rect(left, top, w * scale, h * scale, 'fill="#e8edf2"');
  const boxes = shown.map(({ last }, i) => {
    const color = colors[i % colors.length];
    const { size, stride, first } = last.field;
    const begin = ([0, 1] as const).map((axis) => {
      const middle = first[axis] + stride[axis] * Math.floor(last.size[axis] / 2);
      return (middle - (size[axis] - 1) / 2) * scale;
    }) as [number, number];
    const whole = !size.every(Number.isFinite);
    const box = whole
      ? rect(left, top, w * scale, h * scale, `fill="none" stroke="${color}" stroke-width="4" stroke-dasharray="2 4"`)
      : rect(
          left + begin[1],
          top + begin[0],
          size[1] * scale,
          size[0] * scale,
          `fill="none" stroke="${color}" stroke-width="2"`,
        );
    const exact = e.boxOf(last);
    const part = exact ? `, pixels ${exact.left}..${exact.right} x ${exact.top}..${exact.bottom} of the picture` : '';
    const line = `${last.name}: ${whole ? 'the whole picture' : `${sizeText(size)} pixels`}, stride ${round(stride[0])}${part}`;
    const y = 14 + i * 20;
    const x = margin + frame + 24;
    return { box, entry: rect(x, y, 12, 12, `fill="${color}"`) + label(x + 20, y + 10, line) };
  });
  const outline = rect(left, top, w * scale, h * scale, `fill="none" stroke="${ink}" stroke-width="1"`);
  const clip = `<clipPath id="frame">${rect(margin, 0, frame, frame, '')}</clipPath>`;
  const svg = [
    clip,
    `<g clip-path="url(#frame)">`,
    rect(margin, 0, frame, frame, 'fill="#f6f8fa"'),
    picture,
    outline,
    ...boxes.map((b) => b.box).reverse(),
    '</g>',
    ...boxes.map((b) => b.entry),
  ].join('\n');
  return { svg, height: Math.max(frame, 20 + 20 * boxes.length) };
}

const barHeight = 16;
const stepHeight = 15;

/** Words on lines of at most `most` letters. */
function wrap(s: string, most: number): string[] {
  const lines = [''];
  for (const word of s.split(' ')) {
    const last = lines.at(-1)!;
    if (last.length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** Two bars, the map that is cut and the place of the reference in it, and the algebra below. */
function crop(c: Crop): Part {
  const offset = -c.map.shift[1];
  const [has, wants] = [c.croppedSize[1], c.referenceSize[1]];
  const begin = Math.min(0, offset);
  const scale = (0.6 * inner) / (Math.max(has, offset + wants) - begin);
  const x = (v: number): number => margin + (v - begin) * scale;
  const good = c.refusal === undefined;
  const aligned = Math.abs(c.map.scale[1] - 1) < 1e-9;
  const place = good ? `fill="#31a354" fill-opacity="0.7"` : `fill="#d7301f" fill-opacity="0.7"`;
  const lines: string[] = [
    label(
      margin,
      12,
      `${c.name}: ${c.cropped} ${sizeText(c.croppedSize)} is cut to ${c.reference} ${sizeText(c.referenceSize)}`,
      'font-weight="bold"',
    ),
    rect(x(0), 22, has * scale, barHeight, `fill="#c6dbef" stroke="${ink}" stroke-width="0.6"`),
    label(x(0) + 4, 34, `${c.cropped} 0..${has - 1}`),
  ];
  if (aligned) {
    lines.push(
      rect(x(offset), 26 + barHeight, wants * scale, barHeight, `${place} stroke="${ink}" stroke-width="0.6"`),
      label(
        Math.max(x(offset), margin) + 4,
        38 + barHeight,
        `${c.reference} at ${round(offset)}..${round(offset + wants - 1)}`,
      ),
    );
  }
  let y = 2 * barHeight + 44;
  for (const [target, steps] of [
    [c.cropped, c.toCropped],
    [c.reference, c.toReference],
  ] as const) {
    if (steps.length === 0) continue;
    lines.push(label(margin, y, `from ${c.ancestor} to ${target}`, `fill="${faint}"`));
    y += stepHeight;
    for (const row of stepRows(steps)) {
      row.forEach((cell, i) => {
        lines.push(label(margin + [10, 150, 430, 620][i]!, y, cell));
      });
      y += stepHeight;
    }
  }
  for (const sentence of wrap(conclusion(c), 150)) {
    lines.push(label(margin, y, sentence, good ? '' : 'fill="#d7301f"'));
    y += stepHeight;
  }
  return { svg: lines.join('\n'), height: y + 10 };
}

/** Draws an explanation as a self-contained SVG. */
export function explanationSvg(e: Explanation, { photo }: DrawOptions = {}): string {
  const stages = stagesOf(e.layers);
  const heading = (s: string): Part => ({ svg: label(margin, 16, s, 'font-size="15" font-weight="bold"'), height: 32 });
  const parts = [
    heading(`${e.network.title} at ${sizeText(e.input)}: maps from the picture to the scores`),
    maps(stages, e.input),
    heading('What the middle cell of each map sees'),
    fields(e, stages, photo),
    { svg: '', height: 20 },
    ...(e.crops.length > 0 ? [heading('Crops'), ...e.crops.map(crop)] : []),
  ];
  let y = margin;
  const body = parts.map(({ svg, height }) => {
    const group = `<g transform="translate(0 ${round(y)})">\n${svg}\n</g>`;
    y += height;
    return group;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${round(y + margin)}" viewBox="0 0 ${width} ${round(y + margin)}" font-family="sans-serif" font-size="11" fill="${ink}">`,
    rect(0, 0, width, y + margin, 'fill="#ffffff"'),
    ...body,
    '</svg>\n',
  ].join('\n');
}
