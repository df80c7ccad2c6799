/** @file A picture that is drawn into: rectangles, lines of text, a strip below for a legend. */

import { textPixels } from './font.js';
import type { Color } from './palette.js';
import sharp from './sharp.js';

export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const paper: Color = [24, 26, 30];
export const ink: Color = [235, 235, 235];
export const dimInk: Color = [160, 164, 170];

/** Letters grow with the picture: canvas pixels per pixel of the font. */
export const zoomFor = ({ width, height }: Pick<Canvas, 'width' | 'height'>): number =>
  Math.max(1, Math.round(Math.max(width, height) / 450));

/** Where a legend goes, below a picture of this width. */
export function emptyStrip(width: number, height: number): Canvas {
  const canvas: Canvas = { width, height, data: new Uint8Array(width * height * 3) };
  fill(canvas, 0, 0, width, height, paper);
  return canvas;
}

/** The picture with an empty strip of `rows` pixels below. */
export function withStrip(picture: Canvas, rows: number): Canvas {
  const { width, height, data } = picture;
  const canvas: Canvas = { width, height: height + rows, data: new Uint8Array(width * (height + rows) * 3) };
  canvas.data.set(data);
  canvas.data.set(emptyStrip(width, rows).data, data.length);
  return canvas;
}

/** A line of text from its top left corner. */
export function write(canvas: Canvas, left: number, top: number, text: string, zoom: number, color: Color): void {
  for (const [x, y] of textPixels(text)) fill(canvas, left + x * zoom, top + y * zoom, zoom, zoom, color);
}

/** A rectangle; what lies outside the canvas is left out. */
export function fill(canvas: Canvas, left: number, top: number, width: number, height: number, color: Color): void {
  const [from, to] = [Math.max(0, left), Math.min(canvas.width, left + width)];
  const [first, last] = [Math.max(0, top), Math.min(canvas.height, top + height)];
  if (from >= to || first >= last) return;
  const start = (y: number): number => (y * canvas.width + from) * 3;
  for (let x = 0; x < to - from; x++) canvas.data.set(color, start(first) + 3 * x);
  const end = start(first) + 3 * (to - from);
  for (let y = first + 1; y < last; y++) canvas.data.copyWithin(start(y), start(first), end);
}

const raw = ({ width, height, data }: Canvas) =>
  sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false });

export const canvasPng = (canvas: Canvas): Promise<Uint8Array> => raw(canvas).png({ compressionLevel: 6 }).toBuffer();
export const canvasJpeg = (canvas: Canvas): Promise<Uint8Array> => raw(canvas).jpeg({ quality: 85 }).toBuffer();
