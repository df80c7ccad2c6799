/** @file Scores against stored reference numbers: all absent-class rules, empty truths, and the trimap band. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';
import { type AbsentRule, scores } from '../../src/metrics/scores.js';
import { TrimapEvaluator, trimapBand } from '../../src/metrics/trimap.js';
import { fixture } from '../support/shared.js';

interface Case {
  kind: 'metrics' | 'metrics_special' | 'trimap';
  classes: number;
  expected: unknown;
}

interface Stored {
  name: string;
  case: Case;
  bytes: (tensor: string) => Uint8Array;
  shape: (tensor: string) => number[];
}

/** The few lines of safetensors that these files need. */
function load(name: string): Stored {
  const file = readFileSync(fixture(`metrics/${name}`));
  const size = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + size));
  return {
    name,
    case: JSON.parse(header.__metadata__.case),
    shape: (tensor) => header[tensor].shape,
    bytes: (tensor) => {
      const [from, to] = header[tensor].data_offsets;
      return Uint8Array.from(file.subarray(8 + size + from, 8 + size + to));
    },
  };
}

const cases = readdirSync(fixture('metrics'))
  .filter((name) => name.endsWith('.safetensors'))
  .map(load);
const ofKind = (kind: Case['kind']): Stored[] => cases.filter((c) => c.case.kind === kind);

/** NaN is stored as null. */
function same(actual: number, stored: number | null, tolerance = 1e-6): void {
  if (stored === null) expect(actual).toBeNaN();
  else expect(Math.abs(actual - stored)).toBeLessThanOrEqual(tolerance);
}

function matrixOf(c: Stored): ConfusionMatrix {
  const matrix = new ConfusionMatrix(c.case.classes);
  matrix.add(c.bytes('gt'), c.bytes('pred'));
  return matrix;
}

describe('scores', () => {
  it.each(ofKind('metrics'))('$name', (c) => {
    const expected = c.case.expected as Record<string, number | null> & Record<string, (number | null)[]>;
    const matrix = matrixOf(c);
    const stored = new BigInt64Array(c.bytes('confusion').buffer);
    expect([...matrix.counts]).toEqual([...stored].map(Number));

    const rules: [rule: AbsentRule, accuracy: string, iu: string][] = [
      ['skip', 'mean_acc_nanmean', 'mean_iou_nanmean'],
      ['present-only', 'mean_acc_nanmean', 'mean_iou_gt_present'],
      ['plain', 'mean_acc_plain', 'mean_iou_plain'],
    ];
    for (const [absent, accuracy, iu] of rules) {
      const got = scores(matrix, { absent });
      same(got.pixelAccuracy, expected.pixel_acc as number);
      same(got.frequencyWeightedIU, expected.fw_iou as number);
      same(got.meanAccuracy, expected[accuracy] as number | null);
      same(got.meanIU, expected[iu] as number | null);
      got.classes.forEach((score, i) => {
        same(score.iu, (expected.per_class_iou as (number | null)[])[i] as number | null);
        same(score.accuracy, (expected.per_class_acc as (number | null)[])[i] as number | null);
      });
      expect(got.classes.reduce((n, { pixels }) => n + pixels, 0)).toBe(expected.valid_pixels);
    }
  });

  it.each(ofKind('metrics_special'))('$name', (c) => {
    const expected = c.case.expected as { pixel_acc: number | null; mean_iou_nanmean: number | null };
    const got = scores(matrixOf(c));
    same(got.pixelAccuracy, expected.pixel_acc, 1e-9);
    same(got.meanIU, expected.mean_iou_nanmean, 1e-9);
  });
});

describe('trimap', () => {
  it.each(ofKind('trimap'))('$name', (c) => {
    const [height = 0, width = 0] = c.shape('gt');
    const truth = { width, height, data: c.bytes('gt') };
    const expected = c.case.expected as { width: number; pixels: number; accuracy: number; mean_iou_nanmean: number }[];
    const evaluator = new TrimapEvaluator(
      c.case.classes,
      expected.map((e) => e.width),
    );
    evaluator.add(truth, { width, height, data: c.bytes('pred') });
    evaluator.scores().forEach((got, i) => {
      const wanted = expected[i] as (typeof expected)[number];
      expect(got.width).toBe(wanted.width);
      expect(got.pixels).toBe(wanted.pixels);
      same(got.pixelAccuracy, wanted.accuracy);
      same(got.meanIU, wanted.mean_iou_nanmean);
    });
    for (const w of [1, 5, 10]) expect(trimapBand(truth, w)).toEqual(c.bytes(`band${w}`));
  });
});
