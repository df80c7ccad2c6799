/** @file One picture seen several times: scales and mirror images, averaged in the graph; and the numbers behind labels. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTensor } from '../../src/data/normalize.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { resizePicture, rowsOf } from '../../src/image/decode.js';
import { vocPalette } from '../../src/image/palette.js';
import type { Picture } from '../../src/image/picture.js';
import { askPicture, labelPicture } from '../../src/segment/label-picture.js';
import { Predictor } from '../../src/segment/predictor.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import type { ModelDescription } from '../../src/weights/model.js';
import { tinyNetwork, tinyPicture, tinyWeights } from '../support/tiny-network.js';

const network = tinyNetwork({ upsampling: 'align-corners' });
const model: ModelDescription = {
  version: 1,
  network: 'tiny',
  classes: ['a', 'b', 'c', 'd'],
  palette: vocPalette(4),
  preprocessing: network.preprocessing,
  longSide: 500,
};
const [width, height] = [53, 38];
const pixels = width * height;
const picture = tinyPicture(width, height);
const engine = createNodeEngine({ threads: 1 });
let predictor: Predictor;
beforeAll(() => {
  predictor = new Predictor(engine, network, 4, tinyWeights(network));
});
afterAll(() => engine.close());

const flipped = ({ width, height, data }: Picture): Picture => {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < width * height; i++) {
    const from = Math.floor(i / width) * width + (width - 1 - (i % width));
    out.set(data.subarray(3 * from, 3 * from + 3), 3 * i);
  }
  return { width, height, data: out };
};

/** Probabilities of one view at the picture's size, by hand: logits of the network, softmax here. */
async function byHand(view: Picture): Promise<Float64Array> {
  const image = toTensor([view], model.preprocessing);
  const { logits } = await predictor.ask([image], { size: [height, width], answers: ['logits'] });
  const out = new Float64Array(4 * pixels);
  for (let i = 0; i < pixels; i++) {
    const e = [0, 1, 2, 3].map((c) => Math.exp(logits[c * pixels + i]!));
    const sum = e.reduce((a, b) => a + b);
    for (let c = 0; c < 4; c++) out[c * pixels + i] = e[c]! / sum;
  }
  return out;
}

describe('several views', () => {
  it('are averaged as probabilities, mirrored ones turned back', async () => {
    const options = { scales: [0.5, 1, 1.25], flip: true };
    const { answers } = await askPicture(predictor, rowsOf(picture), model, ['probabilities', 'labels'], options);
    const mean = new Float64Array(4 * pixels);
    for (const scale of options.scales) {
      const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
      const view = await resizePicture(picture, size);
      const [plain, mirror] = [await byHand(view), await byHand(flipped(view))];
      for (let i = 0; i < mean.length; i++) {
        const back = Math.floor(i / width) * width + (width - 1 - (i % width));
        mean[i] = mean[i]! + (plain[i]! + mirror[back]!) / 6;
      }
    }
    let worst = 0;
    for (let i = 0; i < mean.length; i++) worst = Math.max(worst, Math.abs(mean[i]! - answers.probabilities[i]!));
    expect(worst).toBeLessThan(1e-5);
    const best = Array.from({ length: pixels }, (_, i) =>
      [1, 2, 3].reduce(
        (a, c) => (answers.probabilities[c * pixels + i]! > answers.probabilities[a * pixels + i]! ? c : a),
        0,
      ),
    );
    expect([...answers.labels]).toEqual(best);
    const single = await labelPicture(predictor, picture, model);
    expect(Buffer.compare(single, answers.labels)).not.toBe(0);
  });

  it('of one scale and no mirror image are the plain answer; a size that comes twice counts once', async () => {
    const plain = await labelPicture(predictor, picture, model);
    expect(await labelPicture(predictor, picture, model, { scales: [1] })).toEqual(plain);
    expect(await labelPicture(predictor, picture, model, { scales: [1, 1.001] })).toEqual(plain);
  });
});

describe('the segmenter', () => {
  it('gives probabilities or logits where asked, and refuses what makes no sense', async () => {
    await using segmenter = await Segmenter.load({ engine, longSide: 48 });
    const classes = segmenter.model.classes.length;
    const { labels, scores } = await segmenter.segment(picture, { scores: true, flip: true });
    expect(scores).toMatchObject({ kind: 'probabilities', width, height, classes });
    for (const i of [0, 777, pixels - 1]) {
      const at = Array.from({ length: classes }, (_, c) => scores!.data[c * pixels + i]!);
      expect(at.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
      expect(at.indexOf(Math.max(...at))).toBe(labels[i]);
    }
    const plain = await segmenter.segment(picture, { scores: 'logits' });
    expect(plain.scores!.kind).toBe('logits');
    expect(Math.min(...plain.scores!.data)).toBeLessThan(0);
    expect((await segmenter.segment(picture)).scores).toBeUndefined();
    await expect(segmenter.segment(picture, { scores: 'logits', flip: true })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    for (const scales of [[], [0], [1, Number.NaN], [9]]) {
      await expect(segmenter.segment(picture, { scales })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
  });

  it('takes pictures one by one and gives results in order, with errors in their places', async () => {
    await using segmenter = await Segmenter.load({ engine, longSide: 32 });
    async function* source() {
      yield picture;
      yield '/no/such.jpg';
      yield tinyPicture(20, 30);
    }
    const seen: unknown[] = [];
    for await (const { index, result, error } of segmenter.segmentAll(source())) {
      seen.push([index, result?.width, (error as { code?: string } | undefined)?.code]);
    }
    expect(seen).toEqual([
      [0, width, undefined],
      [1, undefined, 'ERR_FILE'],
      [2, 20, undefined],
    ]);
    const bad = segmenter.segmentAll([picture], { concurrency: 0 });
    await expect(bad.next()).rejects.toMatchObject({ code: 'ERR_USAGE' });
    for (const one of ['photo.jpg', new Uint8Array(3)]) {
      const letters = segmenter.segmentAll(one as Iterable<string>);
      await expect(letters.next()).rejects.toThrow('takes a list of pictures');
    }
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(segmenter.segmentAll([picture], { signal }).next()).rejects.toThrow('enough');
  });
});
