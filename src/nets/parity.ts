/**
 * @file How far each network is from its reference: the largest difference of a score map over the largest value of the reference,
 * over all reference pictures. Written by test/data/nets-record.test.ts, not by hand.
 */

export interface ParityRecord {
  readonly reference: string;
  readonly cases: number;
  readonly largestRelativeDifference: number;
}

export const parity: Readonly<Record<string, ParityRecord>> = {};
