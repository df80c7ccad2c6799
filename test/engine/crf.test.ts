import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactCrf } from '../../src/crf/exact.js';
import type { CrfKernel, CrfProblem } from '../../src/crf/problem.js';
import { DenseCrf, denseCrf } from '../../src/crf-node/index.js';
import { agreement, largestDifference, readCrfCase } from '../support/crf.js';
import { fixture } from '../support/shared.js';

const names = ['small-synth-31x45', 'small-bilat-24x36', 'small-flat-16x20', 'small-compat-24x32'];

const load = (name: string) => readCrfCase(fixture(`crf/${name}.safetensors`));

/** Pseudo-random scores over a picture, the same every time. */
function noise(width: number, height: number, classes: number): CrfProblem {
  const n = width * height;
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const data = Float32Array.from({ length: n * classes }, () => 4 * random());
  const image = {
    width,
    height,
    data: Uint8Array.from({ length: 3 * n }, (_, i) => 40 * Math.floor((i / 3 / width / height) * 4) + 30 * random()),
  };
  const kernels = [
    { kind: 'spatial', sigma: 3, weight: 3 },
    { kind: 'bilateral', sigma: 20, colorSigma: 10, weight: 4 },
  ] as const;
  return { width, height, classes, image, kernels, unary: { kind: 'scores', data } };
}

describe.each([1, 2])('the CRF on %i threads', (threads) => {
  let crf: DenseCrf;
  beforeAll(async () => {
    crf = await DenseCrf.open({ threads });
  });
  afterAll(() => crf.close());

  it.each(names)('equals the original lattice on %s', async (name) => {
    const c = load(name);
    for (const norm of c.norms) {
      const { probabilities, labels } = await crf.run(c.problem(norm), { probabilities: true });
      expect(largestDifference(probabilities!, c.floats(`${norm}.q10.lattice`)!), norm).toBeLessThan(1e-5);
      expect(agreement(labels, c.bytes(`${norm}.map10.lattice`)!), norm).toBe(1);
      const one = await crf.run(c.problem(norm), { probabilities: true, iterations: 1 });
      expect(largestDifference(one.probabilities!, c.floats(`${norm}.q1.lattice`)!), norm).toBeLessThan(1e-5);
    }
  });

  it('gives the same bits again', async () => {
    const c = load('small-bilat-24x36');
    const [a, b] = [
      await crf.run(c.problem('after'), { probabilities: true }),
      await crf.run(c.problem('after'), { probabilities: true }),
    ];
    expect(largestDifference(a.probabilities!, b.probabilities!)).toBe(0);
  });

  it('keeps labels with the fast settings, and most with a preview', async () => {
    const problem = noise(64, 48, 21);
    // Six areas, each with a favourite among the noise.
    for (let i = 0; i < 64 * 48; i++)
      problem.unary.data[(Math.floor((i % 64) / 22) + 3 * Math.floor(i / 64 / 24)) * 64 * 48 + i]! += 2;
    const { labels } = await crf.run(problem);
    expect(agreement((await crf.run(problem, { fast: true })).labels, labels)).toBeGreaterThan(0.999);
    expect(agreement((await crf.run(problem, { preview: true })).labels, labels)).toBeGreaterThan(0.9);
  });

  it('previews without labels that are hardly ever best, and keeps the names of the others', async () => {
    const [width, height] = [90, 60];
    const problem = noise(width, height, 21);
    for (let i = 0; i < width * height; i++)
      problem.unary.data[[3, 17, 20][Math.floor((i % width) / 30)]! * width * height + i]! += 6;
    // Best at one pixel, and certain there.
    problem.unary.data[9 * width * height + 30 * width + 45] = 60;
    const { labels } = await crf.run(problem, { preview: true });
    expect([...new Set(labels)].sort((a, b) => a - b)).toEqual([3, 17, 20]);
    expect(agreement((await crf.run(problem)).labels, labels)).toBeGreaterThan(0.95);
  });

  it('previews a single pixel, and finds what is not finite in labels that it leaves out', async () => {
    const one = noise(1, 1, 255);
    one.unary.data[200] = 50;
    expect((await crf.run(one, { preview: true })).labels).toEqual(Uint8Array.of(200));
    const problem = noise(90, 60, 3);
    problem.unary.data.fill(-9, 2 * 5400).fill(Number.NEGATIVE_INFINITY, 2 * 5400 + 95, 2 * 5400 + 96);
    await expect(crf.run(problem, { preview: true })).rejects.toThrow(/-Infinity for label 2 at pixel \(5, 1\)/);
  });

  it('tries kernels on a kept preview: each time the labels are those of a preview of its own', async () => {
    const problem = noise(70, 52, 6);
    for (let i = 0; i < 70 * 52; i++) problem.unary.data[(Math.floor((i % 70) / 24) + 1) * 70 * 52 + i]! += 0.5;
    const { kernels: _, ...input } = problem;
    const spatial = (sigma: number, weight: number) => ({ kind: 'spatial', sigma, weight }) as const;
    const bilateral = (sigma: number, weight: number) =>
      ({ kind: 'bilateral', sigma, colorSigma: 10, weight }) as const;
    const costs = Array.from({ length: 6 }, (_, a) =>
      Array.from({ length: 6 }, (_, b) => (a === b ? 0 : 1 + ((a + b) % 3))),
    );
    const tried: CrfKernel[][] = [
      [spatial(3, 3), bilateral(20, 4)],
      [spatial(3, 1), bilateral(20, 9)], // weights only
      [spatial(3, 1), bilateral(30, 9)], // one sigma
      [spatial(3, 1), bilateral(12, 9)],
      [spatial(5, 1), bilateral(12, 9)], // the other one
      [bilateral(12, 9), spatial(3, 1)],
      [bilateral(12, 9)],
      [bilateral(12, 9), bilateral(12, 1), spatial(3, 2)],
      [spatial(3, 3), { ...bilateral(20, 4), weight: costs, normalization: 'after' }],
      [
        { ...spatial(3, 3), normalization: 'after' },
        { ...bilateral(20, 4), normalization: 'none' },
      ],
    ];
    const own: Uint8Array[] = [];
    for (const kernels of tried) own.push((await crf.run({ ...input, kernels }, { preview: true })).labels);
    const preview = await crf.preview(input);
    for (const [i, kernels] of tried.entries()) expect((await preview.run(kernels)).labels, `${i}`).toEqual(own[i]);
    expect(new Set(own.map(String)).size).toBeGreaterThan(6);
    const { labels, steps } = await preview.run(tried[0]!, { iterations: 3, fast: true, onStep: () => undefined });
    expect([steps.length, agreement(labels, own[0]!) > 0.8]).toEqual([3, true]);
  });

  it('refuses kernels that a kept preview cannot have, and goes on', async () => {
    const { kernels, ...input } = noise(20, 16, 3);
    const preview = await crf.preview(input);
    const { labels } = await preview.run(kernels);
    await expect(preview.run([])).rejects.toThrow(/Impossible number of kernels 0/);
    await expect(preview.run([{ kind: 'spatial', sigma: -1, weight: 1 }])).rejects.toThrow(/Impossible sigma -1/);
    await expect(preview.run([kernels[0]!, { kind: 'spatial', sigma: 1e-7, weight: 1 }])).rejects.toThrow(/too small/);
    const features = { kind: 'features', features: new Float32Array(320), dimensions: 1, weight: 1 } as const;
    await expect(preview.run([features])).rejects.toThrow(/A preview halves the picture/);
    await expect(preview.run(kernels, { iterations: 0 })).rejects.toThrow(/iterations 0/);
    await expect(preview.run(kernels, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect((await preview.run(kernels)).labels).toEqual(labels);
    await crf.run({ ...input, kernels });
    await expect(preview.run(kernels)).rejects.toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    input.unary.data[7] = Number.NaN;
    await expect(crf.preview(input)).rejects.toThrow(/NaN for label 0 at pixel \(7, 0\)/);
  });

  it.each([
    [1, 1, 2],
    [1, 1, 255],
    [3, 1, 5],
    [5, 7, 26],
    [33, 2, 27],
    [6, 5, 255],
  ])('copes with %i x %i pixels and %i classes', async (width, height, classes) => {
    const problem = noise(width, height, classes);
    const { probabilities, labels } = await crf.run(problem, { probabilities: true, iterations: 3 });
    const points = width * height;
    for (let i = 0; i < points; i++) {
      let [sum, best] = [0, 0];
      for (let k = 0; k < classes; k++) {
        sum += probabilities![k * points + i]!;
        if (probabilities![k * points + i]! > probabilities![best * points + i]!) best = k;
      }
      expect(sum).toBeCloseTo(1, 4);
      expect(labels[i]).toBe(best);
    }
  });

  it('agrees with itself on every path: groups unrolled or not, one channel or four', async () => {
    const two = noise(20, 12, 2);
    const potts = await crf.run(two, { probabilities: true });
    const asMatrix = two.kernels.map((k) => ({
      ...k,
      weight: [
        [0, k.weight as number],
        [k.weight as number, 0],
      ],
    }));
    const matrix = await crf.run({ ...two, kernels: asMatrix }, { probabilities: true });
    expect(largestDifference(potts.probabilities!, matrix.probabilities!)).toBeLessThan(2e-5);
    // A label that nothing speaks for changes nothing but the path.
    const many = noise(20, 12, 25);
    const unary = new Float32Array(28 * 240).fill(-60);
    unary.set(many.unary.data);
    const a = await crf.run(many, { probabilities: true });
    const b = await crf.run({ ...many, classes: 28, unary: { kind: 'scores', data: unary } }, { probabilities: true });
    expect(largestDifference(a.probabilities!, b.probabilities!.subarray(0, 25 * 240))).toBeLessThan(2e-5);
  });

  it('takes plain features, in one word of keys or two', async () => {
    const problem = noise(30, 20, 3);
    const points = 600;
    const data = problem.image!.data;
    const features = Float32Array.from({ length: points * 5 }, (_, i) => {
      const [p, k] = [Math.floor(i / 5), i % 5];
      return k < 2 ? Math.fround((k === 0 ? p % 30 : Math.floor(p / 30)) / 20) : Math.fround(data[3 * p + k - 2]! / 10);
    });
    const { image: _, ...bare } = problem;
    const plain = await crf.run(
      { ...bare, kernels: [{ kind: 'features', features, dimensions: 5, weight: 4 }] },
      { probabilities: true },
    );
    const picture = await crf.run({ ...problem, kernels: [problem.kernels[1]!] }, { probabilities: true });
    expect(largestDifference(plain.probabilities!, picture.probabilities!)).toBeLessThan(1e-5);
    // Coordinates of no influence (all the same) and a wide range force the second word.
    const wide = new Float32Array(points * 9);
    for (let p = 0; p < points; p++)
      for (let k = 0; k < 9; k++) wide[p * 9 + k] = (p % 2) * 4000 + (k === 0 ? (p % 30) / 20 : 0);
    const { labels } = await crf.run({
      ...bare,
      kernels: [{ kind: 'features', features: wide, dimensions: 9, weight: 4 }],
    });
    expect(labels).toHaveLength(points);
  });

  it('takes twelve kernels, sixteen features each', async () => {
    const { image: _, ...problem } = noise(12, 8, 3);
    const features = Float32Array.from({ length: 96 * 16 }, (_, i) => Math.sin(i));
    const kernel = { kind: 'features', features, dimensions: 16, weight: 0.25 } as const;
    const many = await crf.run(
      { ...problem, kernels: Array.from({ length: 12 }, () => kernel) },
      { probabilities: true },
    );
    const one = await crf.run({ ...problem, kernels: [{ ...kernel, weight: 3 }] }, { probabilities: true });
    expect(largestDifference(many.probabilities!, one.probabilities!)).toBeLessThan(1e-4);
  });

  it('steps by hand: change falls, energy falls, and the end is where a run ends', async () => {
    const c = load('small-synth-31x45');
    const problem = c.problem('symmetric');
    const inference = await crf.start(problem);
    const steps = [];
    for (let i = 0; i < 10; i++) steps.push(await inference.step());
    expect(steps.map((s) => s.iteration)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(steps[9]!.change).toBeLessThan(steps[0]!.change);
    expect(steps[9]!.energy).toBeLessThan(steps[0]!.energy);
    const run = await crf.run(problem, { probabilities: true });
    await expect(inference.step()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    const again = await crf.start(problem);
    for (let i = 0; i < 10; i++) await again.step();
    expect(largestDifference(await again.probabilities(), run.probabilities!)).toBeLessThan(1e-6);
    expect(agreement(await again.labels(), run.labels)).toBe(1);
  });

  it('stops early where nothing changes any more, with the labels of that step', async () => {
    const problem = load('small-bilat-24x36').problem('symmetric');
    const early = await crf.run(problem, { iterations: 100, tolerance: 1e-4 });
    expect(early.steps.length).toBeLessThan(50);
    expect(early.steps.at(-1)!.change).toBeLessThan(1e-4);
    const { labels } = await crf.run(problem, { iterations: early.steps.length });
    expect(agreement(early.labels, labels)).toBe(1);
  });

  it('names scores that are not finite', async () => {
    const problem = noise(16, 8, 3);
    problem.unary.data[2 * 128 + 16 + 5] = Number.NEGATIVE_INFINITY;
    await expect(crf.run(problem)).rejects.toThrow(/-Infinity for label 2 at pixel \(5, 1\)/);
  });

  it('refuses 100 megapixels with the memory they would take and a way out, before it takes any', async () => {
    const side = 10_000;
    const problem: CrfProblem = {
      width: side,
      height: side,
      classes: 2,
      image: { width: side, height: side, data: new Uint8Array(3 * side * side) },
      unary: { kind: 'labels', data: new Uint8Array(side * side), confidence: 0.9 },
      kernels: [{ kind: 'bilateral', sigma: 50, colorSigma: 5, weight: 4 }],
    };
    await expect(crf.run(problem)).rejects.toThrow(
      /10000 x 10000 pixels with 2 classes would take \d+ MB.*at most 4295 MB.*overlapping tiles/,
    );
  });

  it('is called off by its signal', async () => {
    const controller = new AbortController();
    const problem = noise(200, 150, 21);
    const run = crf.run(problem, {
      iterations: 100_000,
      signal: controller.signal,
      onStep: () => controller.abort(new Error('enough')),
    });
    await expect(run).rejects.toThrow('enough');
    await expect(crf.run(noise(8, 8, 3))).resolves.toMatchObject({ labels: { length: 64 } });
  });
});

describe('the exact CRF', () => {
  it.each(names.slice(1))('equals brute force in float64 on %s', (name) => {
    const c = load(name);
    const points = c.problem('after').width * c.problem('after').height;
    // All of them on the smallest case; brute force takes its time.
    for (const norm of points < 500 ? c.norms : (['symmetric'] as const)) {
      const states = exactCrf(c.problem(norm), 10);
      expect(largestDifference(states[9]!.probabilities, c.floats(`${norm}.q10.exact`)!), norm).toBeLessThan(1e-5);
    }
  });
});

it('reports an energy that is the exact one where the lattice is exact', async () => {
  // Points so far apart that no two share a lattice vertex: only the self term is left.
  const n = 6;
  const features = Float32Array.from({ length: n }, (_, i) => 40 * i);
  const data = Float32Array.from({ length: 3 * n }, (_, i) => Math.sin(i));
  const problem: CrfProblem = {
    width: n,
    height: 1,
    classes: 3,
    unary: { kind: 'scores', data },
    kernels: [{ kind: 'features', features, dimensions: 1, weight: 1.5 }],
    normalization: 'after',
  };
  const { steps } = await denseCrf(problem, { energy: true, iterations: 3, threads: 1 });
  const exact = exactCrf(problem, 3);
  steps.forEach((s, i) => {
    expect(s.energy).toBeCloseTo(exact[i]!.energy, 4);
  });
  const matrix = [
    [0, 1, 2],
    [1, 0, 1],
    [2, 1, 0],
  ];
  const withMatrix: CrfProblem = {
    ...problem,
    kernels: [{ kind: 'features', features, dimensions: 1, weight: matrix }],
  };
  const result = await denseCrf(withMatrix, { energy: true, iterations: 3, threads: 2, probabilities: true });
  const reference = exactCrf(withMatrix, 3);
  expect(largestDifference(result.probabilities!, reference[2]!.probabilities)).toBeLessThan(1e-5);
  expect(result.steps[2]!.energy).toBeCloseTo(reference[2]!.energy, 4);
});

it('a closed one says so', async () => {
  const crf = await DenseCrf.open({ threads: 1 });
  await crf.close();
  await expect(crf.run(noise(4, 4, 2))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
