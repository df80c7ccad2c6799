/**
 * @file What the CRF is measured on: the reference photograph with its scores, or, where that is not here, a photograph of
 * `examples/` with the scores of a model that ships, so that every clone can run the benchmark.
 */

import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError, Segmenter } from 'pixelwise';
import { readSafetensors } from 'pixelwise/weights';
import sharp from 'sharp';

export interface CrfCase {
  /** The file's name. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  /** RGB bytes. */
  readonly image: Uint8Array;
  /** -ln p with p clipped at 1e-5, float32 [classes, height, width]. */
  readonly energies: Float32Array;
}

/** The reference photograph's size. */
const [width, height] = [500, 375];
const example = fileURLToPath(new URL('../../examples/astronaut.jpg', import.meta.url));
const reference = fileURLToPath(new URL('../../../shared/crf/full-voc21-375x500.safetensors', import.meta.url));

/** Bilinear scores at the picture's size, as energies -ln p with p clipped at 1e-5. */
function energiesOf(
  scores: Float32Array,
  [classes, h, w]: readonly number[],
  height: number,
  width: number,
): Float32Array {
  const axis = (small: number, large: number) =>
    Array.from({ length: large }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * small) / large - 0.5);
      const low = Math.min(small - 1, Math.floor(at));
      return { low, high: Math.min(small - 1, low + 1), f: Math.min(1, at - low) };
    });
  const [rows, columns] = [axis(h!, height), axis(w!, width)];
  const out = new Float32Array(classes! * width * height);
  const t = new Float64Array(classes!);
  rows.forEach((y, j) => {
    columns.forEach((x, i) => {
      let sum = 0;
      for (let c = 0; c < t.length; c++) {
        const at = (r: number, k: number) => scores[(c * h! + r) * w! + k]!;
        const upper = at(y.low, x.low) * (1 - x.f) + at(y.low, x.high) * x.f;
        const lower = at(y.high, x.low) * (1 - x.f) + at(y.high, x.high) * x.f;
        sum += t[c] = Math.exp(upper * (1 - y.f) + lower * y.f);
      }
      for (let c = 0; c < t.length; c++) {
        out[(c * height + j) * width + i] = -Math.log(Math.min(1, Math.max(1e-5, t[c]! / sum)));
      }
    });
  });
  return out;
}

function fromReference(file: string): CrfCase {
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(file)), file);
  const [image, scores] = [tensors.get('image'), tensors.get('logits8')];
  if (!(image?.data instanceof Uint8Array && scores?.data instanceof Float32Array)) {
    throw new PixelwiseError(
      'ERR_FORMAT',
      `'${file}' is no reference case. Expected 'image' (uint8 [H, W, 3]) and 'logits8' (float32 [C, h, w]).`,
      { subject: file },
    );
  }
  const [h = 0, w = 0] = image.shape;
  const [classes = 0] = scores.shape;
  const energies = energiesOf(scores.data, scores.shape, h, w);
  return { name: basename(file), width: w, height: h, classes, image: image.data, energies };
}

async function fromExample(): Promise<CrfCase> {
  const data = await sharp(example).resize(width, height).raw().toBuffer();
  const picture = { width, height, data: new Uint8Array(data) };
  const segmenter = await Segmenter.load({ model: 'voc-fcn-squeezenet' });
  try {
    const { scores } = await segmenter.segment(picture, { scores: 'logits' });
    const { classes, data: logits } = scores!;
    const energies = energiesOf(logits, [classes, height, width], height, width);
    return { name: basename(example), width, height, classes, image: picture.data, energies };
  } finally {
    await segmenter.close();
  }
}

/** @throws ERR_USAGE for a file that is named and not there */
export async function readCase(say: (line: string) => void): Promise<CrfCase> {
  const named = process.env.PIXELWISE_CRF;
  if (named !== undefined || existsSync(reference)) {
    const file = named ?? reference;
    if (existsSync(file)) return fromReference(file);
    throw new PixelwiseError(
      'ERR_USAGE',
      `No scores in '${file}'. PIXELWISE_CRF names a safetensors file with 'image' (uint8 [H, W, 3]) and 'logits8' (float32 [C, h, w]); without it a photograph of examples/ is taken.`,
      { subject: file },
    );
  }
  say(
    `The reference photograph is not here (PIXELWISE_CRF names it): measured on ${basename(example)} with the scores of voc-fcn-squeezenet.`,
  );
  return fromExample();
}

/** The first class against all others, on the picture at another size. */
export async function enlargedToTwo(
  c: CrfCase,
  size: { readonly width: number; readonly height: number },
): Promise<CrfCase> {
  const points = c.width * c.height;
  const logits = new Float32Array(2 * points);
  for (let i = 0; i < points; i++) {
    const p = Math.min(1 - 1e-5, Math.exp(-c.energies[i]!));
    logits[i] = Math.log(p);
    logits[points + i] = Math.log(1 - p);
  }
  const { width: w, height: h } = size;
  const raw = { width: c.width, height: c.height, channels: 3 } as const;
  const image = await sharp(c.image, { raw }).resize(w, h, { fit: 'fill' }).raw().toBuffer();
  const energies = energiesOf(logits, [2, c.height, c.width], h, w);
  return { name: c.name, width: w, height: h, classes: 2, image: new Uint8Array(image), energies };
}
