import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DenseCrf } from '../../src/crf-node/index.js';
import { agreement, energiesOfCoarse, largestDifference, readCrfCase } from '../support/crf.js';
import { shared, sharedRoot } from '../support/shared.js';

/** float16 keeps 11 bits: half a unit of its last place below 1. */
const float16Rounding = 2.5e-4;

describe.skipIf(!sharedRoot)('the CRF against the original implementation', () => {
  let crf: DenseCrf;
  beforeAll(async () => {
    crf = await DenseCrf.open({ threads: 2 });
  });
  afterAll(() => crf?.close());

  const files = sharedRoot ? readdirSync(shared('crf')).filter((f) => /^(small|labels)-.*\.safetensors$/.test(f)) : [];
  it.each(files)('%s: probabilities after 1, 5 and 10 iterations, and labels', async (file) => {
    const c = readCrfCase(shared(`crf/${file}`));
    const rounding = file.startsWith('labels') || file.includes('voc21') ? float16Rounding : 0;
    for (const norm of c.norms) {
      for (const iterations of [1, 5, 10]) {
        const q = c.floats(`${norm}.q${iterations}.lattice`);
        const map = c.bytes(`${norm}.map${iterations}.lattice`);
        if (!q && !map) continue;
        const { probabilities, labels } = await crf.run(c.problem(norm), { iterations, probabilities: true });
        if (q) expect(largestDifference(probabilities!, q), `${norm} ${iterations}`).toBeLessThan(1e-5 + rounding);
        if (map) expect(agreement(labels, map), norm).toBe(1);
      }
    }
  });

  it('full-voc21: 375x500 pixels, 21 classes', async () => {
    const c = readCrfCase(shared('crf/full-voc21-375x500.safetensors'), (own, w, h) =>
      energiesOfCoarse(own.floats('logits8')!, 21, w, h),
    );
    const index = c.floats('sample_index')!;
    for (const norm of c.norms) {
      const problem = c.problem(norm);
      for (const iterations of [1, 10]) {
        const { probabilities, labels } = await crf.run(problem, { iterations, probabilities: true });
        const points = 375 * 500;
        const samples = c.floats(`${norm}.q${iterations}.lattice.samples`)!;
        const ours = samples.map((_, i) => probabilities![(i % 21) * points + index[Math.floor(i / 21)]!]!);
        expect(largestDifference(ours, samples), `${norm} ${iterations}`).toBeLessThan(1e-4 + float16Rounding);
        if (iterations < 10) continue;
        expect(agreement(labels, c.bytes(`${norm}.map10.lattice`)!)).toBeGreaterThanOrEqual(0.9999);
        // The lattice's own error, as the original has it.
        expect(agreement(labels, c.bytes(`${norm}.map10.exact`)!)).toBeGreaterThanOrEqual(0.9984);
        const fast = await crf.run(problem, { fast: true });
        expect(agreement(fast.labels, c.bytes(`${norm}.map10.lattice`)!)).toBeGreaterThanOrEqual(0.999);
        const preview = await crf.run(problem, { preview: true });
        expect(agreement(preview.labels, c.bytes(`${norm}.map10.lattice`)!)).toBeGreaterThanOrEqual(0.98);
      }
    }
  });
});
