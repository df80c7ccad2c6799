import { describe, expect, it } from 'vitest';
import { gridPoints, paperGrid, parseGrid, pointsAround } from '../../src/segment/crf-grid.js';

describe('the grid of a search', () => {
  it('has every combination of the papers, each once', () => {
    const points = gridPoints(paperGrid);
    expect(points).toHaveLength(27);
    expect(new Set(points.map((p) => JSON.stringify(p))).size).toBe(27);
    expect(points[0]).toEqual({ w1: 3, sigmaAlpha: 30, sigmaBeta: 3 });
  });

  it('has one point without the bilateral kernel, whose sigmas mean nothing then', () => {
    const points = gridPoints({ w1: [0, 2], sigmaAlpha: [10, 20], sigmaBeta: [3, 6] });
    expect(points.filter((p) => p.w1 === 0)).toEqual([{ w1: 0, sigmaAlpha: 10, sigmaBeta: 3 }]);
    expect(points).toHaveLength(5);
  });

  it('goes a step to each side of the best, and never to 0', () => {
    expect(pointsAround({ w1: 5, sigmaAlpha: 50, sigmaBeta: 6 })).toHaveLength(27);
    const low = pointsAround({ w1: 1, sigmaAlpha: 10, sigmaBeta: 1 });
    expect(low).toHaveLength(8);
    expect(low.every((p) => p.w1 > 0 && p.sigmaAlpha > 0 && p.sigmaBeta > 0)).toBe(true);
  });

  it('reads lists; what is not named is as in the papers', () => {
    expect(parseGrid(' w1=0,0.5,0.5  sb=4 ')).toEqual({ w1: [0, 0.5], sigmaAlpha: [30, 60, 90], sigmaBeta: [4] });
    expect(parseGrid('')).toEqual(paperGrid);
  });

  it.each(['w1=', 'w1', 'sa=0', 'sb=-3', 'w1=-1', 'w1=1,,2', 'sa=1e999', 'sg=3', 'toString=1', 'w1=one'])(
    'refuses %s',
    (text) => {
      expect(() => parseGrid(text)).toThrow(/Impossible grid .*w1 from 0 on, sa and sb above 0/);
    },
  );
});
