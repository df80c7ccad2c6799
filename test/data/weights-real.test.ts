/** @file The pretrained weights: every tensor of every file against the sums that PyTorch computed. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/graph/tensor.js';
import { readWeights } from '../../src/weights/index.js';
import { shared, sharedRoot } from '../support/shared.js';

interface Parameter {
  name: string;
  dtype: string;
  shape: number[];
  sum: number;
  sumSq: number;
  first: number[];
}

const files = [
  'espnet_p_2_q_8_camvid',
  'espnetv2_s_0.5_pascal_384x384',
  'espnetv2_s_2.0_pascal_384x384',
  'squeezenet1_0_deepcompression_bgr255',
];

describe.skipIf(!sharedRoot)('pretrained weights', () => {
  it.each(files)('%s.pth holds the tensors of the reference, in its order, with its numbers', (file) => {
    const reference = JSON.parse(readFileSync(shared(`parity/real/params/${file}.json`), 'utf8')) as {
      parameters: Parameter[];
    };
    const { tensors, format } = readWeights(new Uint8Array(readFileSync(shared(`weights/${file}.pth`))), file);
    expect(format).toBe('pth');
    expect([...tensors].map(([name, t]) => [name, t.dtype, t.shape])).toEqual(
      reference.parameters.map(({ name, dtype, shape }) => [name, dtype, shape]),
    );
    for (const { name, shape, sum, sumSq, first } of reference.parameters) {
      const values = Array.from(tensors.get(name)?.data ?? [], Number);
      expect(values.length).toBe(sizeOf(shape));
      expect(values.slice(0, first.length), name).toEqual(first);
      // Sums in double precision, so they differ by the order of addition only.
      const total = values.reduce((a, b) => a + b, 0);
      const squares = values.reduce((a, b) => a + b * b, 0);
      expect(Math.abs(total - sum), name).toBeLessThanOrEqual(1e-9 * (1 + Math.sqrt(sumSq * values.length)));
      expect(Math.abs(squares - sumSq), name).toBeLessThanOrEqual(1e-9 * (1 + sumSq));
    }
  });
});
