/** @file ESPNetv2 whose animals agree: what is added to their scores, and that nothing is added to anything else. */

import { describe, expect, it } from 'vitest';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { fillImage } from '../support/fill.js';
import { filledWeights } from '../support/filled.js';
import { runGraph } from '../support/run-graph.js';

const size = [96, 128] as const;
const picture = fillImage([1, 3, ...size], 3, 2);
const animals = [3, 8, 10, 12, 13, 17];

async function lowOf(name: string, classes: number): Promise<Float32Array> {
  const graph = networkGraph(findNetwork(name), { size, classes, outputs: ['low'] });
  const out = await runGraph(graph, filledWeights(graph.parameters), { image: picture });
  return out.get('low')!.data as Float32Array;
}

/** Shares of the classes in scores [21, 48, 64]: means over blocks of 4x4, soft-max over the classes, mean over the blocks. */
function sharesOf(low: Float32Array): Float64Array {
  const shares = new Float64Array(21);
  for (let y = 0; y < 48; y += 4) {
    for (let x = 0; x < 64; x += 4) {
      const means = Array.from({ length: 21 }, (_, c) => {
        let sum = 0;
        for (let i = 0; i < 16; i++) sum += low[(c * 48 + y + (i >> 2)) * 64 + x + (i & 3)]!;
        return sum / 16;
      });
      const most = Math.max(...means);
      const powers = means.map((m) => Math.exp(m - most));
      const whole = powers.reduce((p, q) => p + q);
      powers.forEach((p, c) => {
        shares[c]! += p / whole / 192;
      });
    }
  }
  return shares;
}

describe('animals that agree on their kind', () => {
  it("adds to each animal's scores 1.5 times the logarithm of its share among the animals, and nothing to the others", async () => {
    const plain = await lowOf('espnetv2-near', 21);
    const agreed = await lowOf('espnetv2-near-agree', 21);
    const shares = sharesOf(plain).map((s) => s + 3e-3);
    const whole = animals.reduce((sum, c) => sum + shares[c]!, 0);
    const cells = 48 * 64;
    let [worst, largest] = [0, 0];
    plain.forEach((v, i) => {
      const c = Math.floor(i / cells);
      const expected = v + (animals.includes(c) ? 1.5 * Math.log(shares[c]! / whole) : 0);
      worst = Math.max(worst, Math.abs(agreed[i]! - expected));
      largest = Math.max(largest, Math.abs(v - expected));
    });
    expect(worst).toBeLessThan(1e-3);
    expect(largest).toBeGreaterThan(0.5);
  });

  it('leaves the scores of other sets of classes alone', async () => {
    expect(await lowOf('espnetv2-near-agree', 5)).toEqual(await lowOf('espnetv2-near', 5));
  });
});
