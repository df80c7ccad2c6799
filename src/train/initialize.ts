/** @file First values of parameters that no weights fill. */

import { createRandom } from '../data/random.js';
import type { Init, Parameter } from '../graph/ir.js';
import { type NamedTensors, sizeOf, type Tensor } from '../graph/tensor.js';

/** Keeps these random numbers apart from those of the data's order and augmentation. */
const initStream = 11;

/**
 * The bilinear kernel of a transposed convolution (SPEC 1.1): k x k values that interpolate linearly at stride
 * floor((k + 1) / 2), on the diagonal of the first two axes if the kernel is not depth-wise.
 */
function fillBilinear(data: Float32Array, shape: readonly number[]): void {
  const [inputs, outputs, kh, kw] = shape as [number, number, number, number];
  const line = (k: number): number[] => {
    const factor = Math.floor((k + 1) / 2);
    const center = k % 2 === 1 ? factor - 1 : factor - 0.5;
    return Array.from({ length: k }, (_, i) => 1 - Math.abs(i - center) / factor);
  };
  const [rows, columns] = [line(kh), line(kw)];
  const depthWise = outputs === 1;
  for (let c = 0; c < (depthWise ? inputs : Math.min(inputs, outputs)); c++) {
    const at = (c * outputs + (depthWise ? 0 : c)) * kh * kw;
    for (let y = 0; y < kh; y++) for (let x = 0; x < kw; x++) data[at + y * kw + x] = rows[y]! * columns[x]!;
  }
}

type Fill<K extends Init['kind']> = (
  data: Float32Array,
  init: Extract<Init, { kind: K }>,
  shape: readonly number[],
  seed: readonly [number, number],
) => void;

const fills: { [K in Init['kind']]: Fill<K> } = {
  constant: (data, { value }) => data.fill(value),
  normal: (data, { std }, _, seed) => {
    const random = createRandom(seed[0], initStream, seed[1]);
    for (let i = 0; i < data.length; i++) data[i] = std * random.normal();
  },
  uniform: (data, { bound }, _, seed) => {
    const random = createRandom(seed[0], initStream, seed[1]);
    for (let i = 0; i < data.length; i++) data[i] = random.uniform(-bound, bound);
  },
  bilinear: (data, _, shape) => fillBilinear(data, shape),
};

/** Tensors for `parameters` by their own rules; the same seed gives the same numbers. */
export function initialize(parameters: readonly Parameter[], seed: number): NamedTensors {
  return new Map(
    parameters.map(({ value, init }, index) => {
      const data = new Float32Array(sizeOf(value.shape));
      (fills[init.kind] as Fill<Init['kind']>)(data, init, value.shape, [seed, index]);
      const tensor: Tensor = { dtype: 'float32', shape: value.shape, data };
      return [value.name, tensor];
    }),
  );
}
