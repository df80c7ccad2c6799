/** @file One pass over a data set's samples: which classes each holds, how many pixels, and the pictures' colours. */

import type { Dataset, Sample } from './dataset.js';
import { inOrder } from './in-order.js';

/** What is counted of one sample. */
export interface SampleTally {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** Pixels of every label, 0 to 255. */
  readonly pixels: Float64Array;
  /** Sum and sum of squares of each channel, 0 to 255. */
  readonly sums: readonly number[];
  readonly squares: readonly number[];
}

export interface TallyOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Samples read together: they wait for the disk and decode on other threads. */
const together = 4;

/** Count the samples of a data set one after the other. Throws what reading them throws, and the signal's reason. */
export async function* tallySamples(dataset: Dataset, o: TallyOptions = {}): AsyncGenerator<SampleTally> {
  let done = 0;
  const read = async (i: number): Promise<SampleTally> => tally(await dataset.load(i));
  for await (const one of inOrder(dataset.ids.length, together, read, o.signal)) {
    o.onProgress?.(++done, dataset.ids.length);
    yield one;
  }
}

function tally({ id, picture, labels }: Sample): SampleTally {
  const pixels = new Float64Array(256);
  for (const label of labels.data) pixels[label] = (pixels[label] as number) + 1;
  const [sums, squares] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  const { data, width, height } = picture;
  for (let c = 0; c < 3; c++) {
    let [sum, square] = [0, 0];
    for (let i = c; i < data.length; i += 3) {
      const v = data[i] as number;
      sum += v;
      square += v * v;
    }
    sums[c] = sum;
    squares[c] = square;
  }
  return { id, width, height, pixels, sums, squares };
}
