/** @file Label maps as COCO runs and as outlines: known texts, and back to the same pixels. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { outlines } from '../../src/segment/polygons.js';
import { columnRunsOf, compressCounts } from '../../src/segment/rle.js';
import { Segmentation } from '../../src/segment/segmentation.js';
import { type Point, simplifyRing } from '../../src/segment/simplify.js';
import type { ModelDescription } from '../../src/weights/model.js';

/** A label map from rows of digits. */
function mapOf(...rows: string[]): LabelMap {
  const data = Uint8Array.from(rows.join(''), Number);
  return { width: rows[0]!.length, height: rows.length, data };
}

const anyMap = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 }))
  .chain(([width, height, labels]) =>
    fc
      .uint8Array({ minLength: width * height, maxLength: width * height, max: labels })
      .map((data): LabelMap => ({ width, height, data })),
  );

describe('runs', () => {
  it('have the texts of pycocotools', () => {
    // Twelve masks and their texts, made with pycocotools 2.0.11.
    const file = new URL('../fixtures/segment/coco-runs.json', import.meta.url);
    const cases = JSON.parse(readFileSync(file, 'utf8')) as {
      width: number;
      height: number;
      counts: number[];
      string: string;
    }[];
    expect(cases.length).toBe(12);
    for (const { width, height, counts, string } of cases) {
      expect(compressCounts(counts)).toBe(string);
      const data = new Uint8Array(width * height);
      for (let i = 0, at = 0; i < counts.length; at += counts[i++]!) {
        if (i % 2 === 0) continue;
        for (let k = at; k < at + counts[i]!; k++) data[(k % height) * width + Math.floor(k / height)] = 1;
      }
      expect(columnRunsOf({ width, height, data }).get(1)).toEqual(counts);
    }
  });

  it('go down the columns, begin outside, and join over the foot of a column', () => {
    const runs = columnRunsOf(mapOf('100', '110', '110'));
    expect(runs.get(1)).toEqual([0, 3, 1, 2, 3]);
    expect(runs.get(0)).toEqual([3, 1, 2, 3]);
    expect(columnRunsOf(mapOf('11', '11')).get(1)).toEqual([0, 4]);
    expect(compressCounts([0, 4])).toBe('04');
  });

  it('of all labels fill the map again', () => {
    fc.assert(
      fc.property(anyMap, ({ width, height, data }) => {
        const filled = new Uint8Array(width * height).fill(255);
        for (const [label, counts] of columnRunsOf({ width, height, data })) {
          expect(counts.reduce((a, b) => a + b)).toBe(width * height);
          let at = 0;
          counts.forEach((n, i) => {
            for (let k = at; i % 2 === 1 && k < at + n; k++) {
              filled[(k % height) * width + Math.floor(k / height)] = label;
            }
            at += n;
          });
        }
        expect(filled).toEqual(data);
      }),
    );
  });
});

/** Twice the area within a ring, positive when clockwise as seen. */
const signed = (ring: readonly Point[]): number =>
  ring.slice(1).reduce((sum, [x, y], i) => sum + ring[i]![0] * y - x * ring[i]![1], 0);

/** How often rings go around the middle of a pixel: a ray to the left crosses upright edges. */
function turns(rings: readonly (readonly Point[])[], x: number, y: number): number {
  let count = 0;
  for (const ring of rings) {
    for (let i = 1; i < ring.length; i++) {
      const [[ax, ay], [bx, by]] = [ring[i - 1]!, ring[i]!];
      if (ax === bx && ax <= x && Math.min(ay, by) <= y && y < Math.max(ay, by)) count += ay < by ? -1 : 1;
    }
  }
  return count;
}

describe('outlines', () => {
  it('of a ring of pixels: clockwise outside, the hole the other way', () => {
    const [, ring] = outlines(mapOf('00000', '01110', '01210', '01110')).sort((a, b) => a.label - b.label);
    expect(ring).toMatchObject({ label: 1, area: 8 });
    const outline = [
      [1, 1],
      [4, 1],
      [4, 4],
      [1, 4],
      [1, 1],
    ];
    expect(ring!.rings).toEqual([outline, expect.any(Array)]);
    expect(new Set(ring!.rings[1]!.map(String))).toEqual(new Set(['2,2', '3,2', '3,3', '2,3']));
    expect(signed(ring!.rings[0]!)).toBe(18);
    expect(signed(ring!.rings[1]!)).toBe(-2);
  });

  it('of pixels that meet at a corner are two', () => {
    expect(outlines(mapOf('10', '01')).map((r) => [r.label, r.area])).toEqual([
      [1, 1],
      [0, 1],
      [0, 1],
      [1, 1],
    ]);
  });

  it('fill the label map again, every ring closed and of the right direction', () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        const regions = outlines(map);
        for (const { rings, area } of regions) {
          for (const ring of rings) expect(ring.at(-1)).toEqual(ring[0]);
          expect(rings.map((r) => Math.sign(signed(r)))).toEqual(rings.map((_, i) => (i === 0 ? 1 : -1)));
          expect(rings.reduce((sum, r) => sum + signed(r), 0)).toBe(2 * area);
        }
        for (let i = 0; i < map.data.length; i++) {
          const [x, y] = [i % map.width, Math.floor(i / map.width)];
          const around = regions.filter((r) => turns(r.rings, x + 0.5, y + 0.5) !== 0);
          expect(around.map((r) => r.label)).toEqual([map.data[i]]);
        }
      }),
    );
  });

  it('lose small regions and thin ones when asked to', () => {
    const map = mapOf('11110', '11110', '11110', '00002');
    expect(outlines(map, { minArea: 2 }).map((r) => r.label)).toEqual([1, 0, 0]);
    expect(outlines(map, { tolerance: 1.5 }).map((r) => r.label)).toEqual([1]);
  });

  it('simplified are never farther off than the tolerance', () => {
    const stairs: Point[] = Array.from({ length: 21 }, (_, i): Point => [Math.ceil(i / 2), Math.floor(i / 2)]);
    const ring: Point[] = [...stairs, [0, 10], [0, 0]];
    const simple = simplifyRing(ring, 1)!;
    expect(simple).toEqual([
      [0, 0],
      [10, 10],
      [0, 10],
      [0, 0],
    ]);
    expect(simplifyRing(ring, 0)).toEqual(ring);
    expect(simplifyRing(ring, 30)).toBeUndefined();
  });
});

describe('a segmentation', () => {
  const model: ModelDescription = {
    version: 1,
    network: 'none',
    classes: ['background', 'cat', 'dog'],
    palette: vocPalette(3),
    preprocessing: { order: 'RGB', divisor: 1, mean: [0, 0, 0], std: [1, 1, 1] },
    longSide: 64,
  };
  const { width, height, data } = mapOf('2220', '2220');
  const picture = { width, height, data: new Uint8Array(3 * width * height) };
  const result = new Segmentation(picture, data, model, { notes: ['said'] });

  it('names shares, runs and outlines alike, the largest class first', () => {
    expect(result.shares).toEqual({ dog: 0.75, background: 0.25 });
    expect(result.toRLE()).toEqual([
      { id: 2, name: 'dog', area: 6, size: [2, 4], counts: '062' },
      { id: 0, name: 'background', area: 2, size: [2, 4], counts: '62' },
    ]);
    expect(result.toRLE({ compressed: false })[0]!.counts).toEqual([0, 6, 2]);
    const { type, features } = result.toPolygons();
    expect(type).toBe('FeatureCollection');
    expect(features.map((f) => [f.properties.name, f.geometry.coordinates.length])).toEqual([
      ['dog', 1],
      ['background', 1],
    ]);
    expect(JSON.parse(JSON.stringify(features[1]!.geometry.coordinates))).toEqual([
      [
        [
          [3, 0],
          [4, 0],
          [4, 2],
          [3, 2],
          [3, 0],
        ],
      ],
    ]);
    expect(result.notes).toEqual(['said']);
    expect(result.scores).toBeUndefined();
  });
});
