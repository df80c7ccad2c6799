/** @file How a picture's bytes become network input: part of every trained network, stored with its weights. */

/** One number per color channel. */
export type Triple = readonly [number, number, number];

/**
 * In float32 and in this order, for each channel in the given `order`: `(u8 / divisor - mean) / std / divisorAfter`.
 * `mean` and `std` are listed in that order too.
 */
export interface Preprocessing {
  readonly order: 'RGB' | 'BGR';
  /** 255 where the mean is given for values 0 to 1, 1 where it is given for 0 to 255. */
  readonly divisor: number;
  readonly mean: Triple;
  readonly std: Triple;
  /** ESPNet's CamVid weights divide by 255 after the standardisation. Default 1. */
  readonly divisorAfter?: number;
}
