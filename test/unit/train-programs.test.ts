/** @file Programs per picture size: made once, kept while they fit, given back before others take their memory. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { mapBytes, SizedPrograms } from '../../src/train/run/programs.js';

function recorder(budget: number, bytes: (h: number) => number = () => 10) {
  const said: string[] = [];
  const programs = new SizedPrograms(async ([h, w]) => {
    said.push(`make ${h}x${w}`);
    const dispose = async () => {
      said.push(`drop ${h}x${w}`);
    };
    return { program: { run: async () => ({}), dispose }, drawn: { masks: [], samples: [] }, bytes: bytes(h) };
  }, budget);
  return { programs, said };
}

describe('programs per size', () => {
  it('are made once and kept', async () => {
    const { programs, said } = recorder(100);
    const first = await programs.at([5, 7]);
    await programs.at([7, 5]);
    expect(await programs.at([5, 7])).toBe(first);
    expect(said).toEqual(['make 5x7', 'make 7x5']);
  });

  it('go in the order of their last use, before another is made', async () => {
    const { programs, said } = recorder(20);
    for (const h of [1, 2, 1, 3]) await programs.at([h, h]);
    expect(said).toEqual(['make 1x1', 'make 2x2', 'drop 2x2', 'make 3x3']);
  });

  it('are one at a time where one exceeds the budget', async () => {
    const { programs, said } = recorder(5);
    for (const h of [1, 1, 2]) await programs.at([h, h]);
    expect(said).toEqual(['make 1x1', 'drop 1x1', 'make 2x2']);
  });

  it('never hold more than the budget and one that turned out larger', async () => {
    const { programs, said } = recorder(30, (h) => h);
    for (const h of [10, 11, 29, 3, 4, 12]) await programs.at([h, h]);
    const held = new Set<string>();
    for (const [what, size] of said.map((s) => s.split(' ') as [string, string])) {
      if (what === 'make') held.add(size);
      else held.delete(size);
      const total = [...held].map((s) => Number.parseInt(s, 10)).reduce((a, v) => a + v, 0);
      expect(total).toBeLessThanOrEqual(30 + 29);
    }
  });

  it('are all given back', async () => {
    const { programs, said } = recorder(100);
    await programs.at([1, 2]);
    await programs.dispose();
    await programs.dispose();
    expect(said).toEqual(['make 1x2', 'drop 1x2']);
  });

  it('count every map of their graph', () => {
    const b = new GraphBuilder('two');
    const x = b.relu(b.input('x', 'float32', [2, 3]));
    b.op('ArgMax', [x], { axis: 1, keepdims: 0 });
    expect(mapBytes(b.finish())).toBe(2 * 3 * 4 + 2 * 8);
  });
});
