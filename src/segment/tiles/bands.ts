/** @file A picture tile by tile, from top to bottom: labels come out in bands of full rows, and no more is held than is open. */

import { setImmediate } from 'node:timers/promises';
import { floats } from '../../graph/tensor.js';
import { type RowSource, resizePicture } from '../../image/decode.js';
import type { Picture } from '../../image/picture.js';
import type { ModelDescription } from '../../weights/model.js';
import { inOrder } from '../in-order.js';
import { type LabelBand, type ViewOptions, viewsOf } from '../label-picture.js';
import type { AnswerKind } from '../prediction.js';
import type { Answers, Predictor } from '../predictor.js';
import { Seams } from './blend.js';
import { type Span, weightsOf } from './plan.js';
import type { Tiling } from './tiling.js';

export interface BandOptions extends Pick<ViewOptions, 'scales' | 'flip'> {
  readonly signal?: AbortSignal;
  /** After every tile. */
  readonly onTile?: (done: number, total: number) => void;
}

/** Tiles of a row that are under way: one is cut out while the network works on another. */
const underWay = 2;
/** Rows between two looks at the caller's timers. */
const breath = 64;

/** The part of a strip that a tile sees; what lies beyond its right or lower edge repeats the last pixel. */
function cut(strip: Picture, { start, end }: Span, height: number): Picture {
  const width = end - start;
  const data = new Uint8Array(width * height * 3);
  const within = Math.min(end, strip.width) - start;
  for (let y = 0; y < height; y++) {
    const row = strip.data.subarray(Math.min(y, strip.height - 1) * strip.width * 3);
    const out = data.subarray(y * width * 3, (y + 1) * width * 3);
    out.set(row.subarray(start * 3, (start + within) * 3));
    for (let x = within; x < width; x++) out.set(out.subarray((within - 1) * 3, within * 3), x * 3);
  }
  return { width, height, data };
}

/** Everything that a tile's answer needs. */
interface Setting {
  readonly predictor: Predictor;
  readonly model: ModelDescription;
  readonly options: BandOptions;
}

async function askTile<K extends AnswerKind>(
  { predictor, model, options }: Setting,
  tile: Picture,
  kind: K,
  feeds: Readonly<Record<string, Float32Array>> = {},
): Promise<Answers<K>> {
  const { flip = false, signal } = options;
  const views = await viewsOf(predictor, (size) => resizePicture(tile, size), tile, model, options);
  const further = Object.entries(feeds).map(([name, v]) => {
    const shape = name === 'rows' ? [1, 1, v.length, 1] : [1, 1, 1, v.length];
    return [name, floats(shape, v)] as const;
  });
  return predictor.ask(
    views,
    { flip, size: [tile.height, tile.width], answers: [kind] },
    { feeds: Object.fromEntries(further), ...(signal && { signal }) },
  );
}

/** Answers of one row of tiles, from left to right. */
async function* answersOf<K extends AnswerKind>(
  s: Setting,
  strip: Picture,
  row: Span,
  columns: readonly Span[],
  kind: K,
): AsyncGenerator<{ readonly column: Span; readonly index: number; readonly answers: Answers<K> }> {
  const work = async (column: Span): Promise<Answers<K>> => {
    const tile = cut(strip, column, row.end - row.start);
    // The caller's timers come between.
    await setImmediate();
    const feeds = kind === 'weighted' ? { rows: weightsOf(row), columns: weightsOf(column) } : {};
    return askTile(s, tile, kind, feeds);
  };
  for await (const { index, input, result, error } of inOrder(columns, underWay, work, s.options.signal)) {
    if (!result) throw error;
    yield { column: input, index, answers: result };
  }
}

/** Rows `[from, to)` from tiles that hold all that they see. */
async function exactBand(
  s: Setting,
  strip: Picture,
  row: Span,
  columns: readonly Span[],
  width: number,
  done: () => void,
) {
  const labels = new Uint8Array(width * (row.to - row.from));
  for await (const { column, answers } of answersOf(s, strip, row, columns, 'labels')) {
    const [tileWidth, left] = [column.end - column.start, column.from - column.start];
    const count = Math.min(column.to, width) - column.from;
    for (let y = row.from; y < row.to && count > 0; y++) {
      const at = (y - row.start) * tileWidth + left;
      labels.set(answers.labels.subarray(at, at + count), (y - row.from) * width + column.from);
    }
    done();
  }
  return labels;
}

/** Rows that are finished after this row of tiles; what the next one adds to is kept in `seams`. */
async function blendedBand(
  s: Setting,
  strip: Picture,
  [row, next]: readonly [Span, Span | undefined],
  columns: readonly Span[],
  seams: Seams,
  done: () => void,
) {
  const finished = (next?.from ?? row.to) - row.from;
  seams.begin(row.to - row.from, finished);
  for await (const { column, index, answers } of answersOf(s, strip, row, columns, 'weighted')) {
    const placed = { column, next: columns[index + 1], previous: columns[index - 1] };
    const rows = seams.add(answers.weighted, row, placed);
    for (let y = 0; y < rows.length; y += breath) {
      rows.finish(y, Math.min(y + breath, rows.length));
      await setImmediate();
    }
    done();
  }
  return seams.end();
}

/**
 * Labels of a picture at its own size, in bands from top to bottom. Memory is bounded by a strip of tiles, whatever the
 * picture's height.
 */
export async function* labelBands(
  predictor: Predictor,
  source: RowSource,
  model: ModelDescription,
  tiling: Tiling,
  options: BandOptions = {},
): AsyncGenerator<LabelBand, void, undefined> {
  const s: Setting = { predictor, model, options };
  const { width, height } = source;
  const { rows, columns } = tiling;
  const total = rows.length * columns.length;
  let finished = 0;
  const done = () => options.onTile?.(++finished, total);
  const seams = new Seams(predictor.classes, tiling.size.width);
  const read = (row: Span) => source.rows(row.start, Math.min(row.end, height) - row.start);
  for (const [i, row] of rows.entries()) {
    options.signal?.throwIfAborted();
    const strip = await read(row);
    const labels =
      tiling.kind === 'exact'
        ? await exactBand(s, strip, row, columns, width, done)
        : cropped(await blendedBand(s, strip, [row, rows[i + 1]], columns, seams, done), tiling.size.width, width);
    const count = Math.min(height - row.from, labels.length / width);
    if (count <= 0) continue;
    const first = (row.from - row.start) * width * 3;
    const pixels = strip.data.subarray(first, first + count * width * 3);
    yield { top: row.from, height: count, pixels, labels: labels.subarray(0, count * width) };
  }
}

/** The first `width` of `stride` columns. */
function cropped(labels: Uint8Array, stride: number, width: number): Uint8Array {
  if (stride === width) return labels;
  const height = labels.length / stride;
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) out.set(labels.subarray(y * stride, y * stride + width), y * width);
  return out;
}
