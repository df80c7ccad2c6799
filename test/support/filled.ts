/** @file Weights for any network of which none is zero, and maps neither die out nor grow without end. */

import type { Parameter } from '../../src/graph/ir.js';
import { type NamedTensors, sizeOf } from '../../src/graph/tensor.js';
import { fill } from './fill.js';

export const filledWeights = (parameters: readonly Parameter[]): NamedTensors =>
  new Map(
    parameters.map(({ value: { name, shape } }, i) => {
      if (name.endsWith('.bias')) return [name, fill(shape, i, 0.01)];
      // Scales and variances.
      if (shape.length === 1 && /(running_var|\.weight)$/.test(name)) return [name, fill(shape, i, 0.1, 1)];
      return [name, fill(shape, i, 1.5 / Math.sqrt(sizeOf(shape.slice(1))))];
    }),
  );
