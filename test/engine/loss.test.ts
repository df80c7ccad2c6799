/** @file The loss on the engine against its definition: every reduction, class weights, void, and labels that are none. */

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph } from '../../src/graph/ir.js';
import { floats, tensor } from '../../src/graph/tensor.js';
import { spellOutLoss } from '../../src/surgery/spell-out-loss.js';
import { type CrossEntropyOptions, crossEntropy, type Reduction } from '../../src/train/loss.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const [n, classes, h, w] = [3, 5, 4, 6];
const pixels = h * w;
const random = createRandom(11);
const scores = floats(
  [n, classes, h, w],
  Float32Array.from({ length: n * classes * pixels }, () => 2 * random.normal()),
);
const classWeights = [0.5, 1, 2, 0.25, 3];

async function run(labels: Uint8Array, options: CrossEntropyOptions, finish = (graph: Graph) => graph) {
  const b = new GraphBuilder('loss');
  const x = b.input('x', 'float32', scores.shape);
  const loss = crossEntropy(b, x, b.input('labels', 'uint8', [n, h, w]), options);
  b.output('loss', loss);
  b.output('gradient', differentiate(b, loss, [x])[0]!);
  const program = await engine.compile(finish(b.finish()));
  const results = await program.run({ x: scores, labels: tensor('uint8', [n, h, w], labels) });
  await program.dispose();
  return { loss: Number(results.loss!.data[0]), gradient: results.gradient!.data as Float32Array };
}

/** sum of w[label] * -log p[label] over the labelled pixels, and the sum of their weights. */
function definition(labels: Uint8Array, weights: readonly number[]): { sum: number; total: number } {
  let [sum, total] = [0, 0];
  labels.forEach((label, i) => {
    if (label === 255) return;
    const [picture, pixel] = [Math.floor(i / pixels), i % pixels];
    const at = (c: number) => scores.data[(picture * classes + c) * pixels + pixel]!;
    const log = Math.log(Array.from({ length: classes }, (_, c) => Math.exp(at(c))).reduce((a, v) => a + v, 0));
    sum += weights[label]! * (log - at(label));
    total += weights[label]!;
  });
  return { sum, total };
}

const mixed = Uint8Array.from({ length: n * pixels }, () => (random.integer(4) ? random.integer(classes) : 255));
const cases = (['mean', 'valid-mean', 'sum', 'batch'] as const).flatMap((reduction) =>
  [undefined, classWeights].map((weights) => [reduction, weights] as const),
);

describe('cross entropy', () => {
  it.each(cases)('%s, class weights %j', async (reduction: Reduction, weights) => {
    const { sum, total } = definition(mixed, weights ?? new Array(classes).fill(1));
    const valid = mixed.filter((label) => label !== 255).length;
    const expected = { mean: sum / total, 'valid-mean': sum / valid, sum, batch: sum / n }[reduction];
    const { loss, gradient } = await run(mixed, { reduction, classWeights: weights });
    expect(loss / expected).toBeCloseTo(1, 5);
    mixed.forEach((label, i) => {
      if (label !== 255) return;
      for (let c = 0; c < classes; c++) {
        expect(gradient[(Math.floor(i / pixels) * classes + c) * pixels + (i % pixels)]).toBe(0);
      }
    });
    // Soft-max does not see a constant: every pixel's gradients cancel.
    const sums = new Float64Array(n * pixels);
    gradient.forEach((g, i) => {
      const at = Math.floor(i / (classes * pixels)) * pixels + (i % pixels);
      sums[at] = sums[at]! + g;
    });
    expect(Math.max(...sums.map(Math.abs))).toBeLessThan(1e-5);
  });

  it('is the mean by default', async () => {
    expect((await run(mixed, {})).loss).toBe((await run(mixed, { reduction: 'mean' })).loss);
  });

  it.each(cases)('%s, class weights %j: nothing for a batch of void', async (reduction: Reduction, weights) => {
    const { loss, gradient } = await run(new Uint8Array(n * pixels).fill(255), { reduction, classWeights: weights });
    expect(Math.abs(loss)).toBe(0);
    expect(gradient.every((g) => g === 0)).toBe(true);
  });

  it.each([undefined, classWeights])('refuses a label outside the classes (class weights %j)', async (weights) => {
    const wrong = mixed.with(5, classes);
    await expect(run(wrong, { classWeights: weights })).rejects.toMatchObject({ code: 'ERR_ENGINE' });
  });

  it('needs one weight per class', async () => {
    await expect(run(mixed, { classWeights: [1, 2] })).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringContaining('expected 5 class weights, one per class, received 2'),
    });
  });

  it.each(cases)('is the same in plain operators: %s, class weights %j', async (reduction, weights) => {
    const options = { reduction, classWeights: weights };
    const [whole, plain] = [await run(mixed, options), await run(mixed, options, spellOutLoss)];
    expect(plain.loss).toBeCloseTo(whole.loss, 4);
    for (const [i, g] of whole.gradient.entries()) expect(plain.gradient[i]).toBeCloseTo(g, 6);
  });

  it('refuses a label outside the classes in plain operators too', async () => {
    await expect(run(new Uint8Array(n * pixels).fill(classes), {}, spellOutLoss)).rejects.toThrow(
      /(Gather|Scatter)Elements/,
    );
  });
});
