/** @file Checks gradients against central differences along a random direction: one number per graph, whatever its size. */

import { expect } from 'vitest';
import { createRandom, type Random } from '../../src/data/random.js';
import type { Engine } from '../../src/engine/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Value } from '../../src/graph/ir.js';
import { floats, type Shape, sizeOf, type Tensor } from '../../src/graph/tensor.js';
import { trainingMode } from '../../src/surgery/training-mode.js';

/**
 * Which numbers an input may hold: `any` in -1..1, `wide` in -2..2, `positive` in 0.5..2, `nonzero` of either sign and in
 * 1..2 (nearer to 0 the third derivative of 1/x outgrows the step), `apart` pairwise (and from 0) farther from each other than two steps, so that no kink lies on the way.
 */
export type Domain = 'any' | 'wide' | 'positive' | 'nonzero' | 'apart';

/** A graph with one output. */
export interface GradientSample {
  readonly inputs: Readonly<Record<string, { readonly shape: Shape; readonly domain?: Domain }>>;
  build(b: GraphBuilder, values: Readonly<Record<string, Value>>, random: Random): Value;
  /** How batch normalisation is differentiated; `frozen` by default. */
  readonly batchNorm?: 'batch' | 'frozen';
}

/** Half the distance of the two points. */
const step = 1e-2;
/** Above two steps in opposite directions. */
const gap = 0.05;

const fills: Record<Domain, (data: Float32Array, random: Random) => void> = {
  any: (data, random) => fillEach(data, () => random.uniform(-1, 1)),
  wide: (data, random) => fillEach(data, () => random.uniform(-2, 2)),
  positive: (data, random) => fillEach(data, () => random.uniform(0.5, 2)),
  nonzero: (data, random) => fillEach(data, () => random.uniform(1, 2) * (random.integer(2) ? 1 : -1)),
  apart: (data, random) => {
    const order = random.shuffle(Uint32Array.from(data, (_, i) => i));
    order.forEach((rank, i) => {
      data[i] = (rank - Math.floor(data.length / 2) + 0.5) * gap;
    });
  },
};

function fillEach(data: Float32Array, value: () => number): void {
  for (let i = 0; i < data.length; i++) data[i] = value();
}

function draw(shape: Shape, domain: Domain, random: Random): Tensor<'float32'> {
  const data = new Float32Array(sizeOf(shape));
  fills[domain](data, random);
  return floats(shape, data);
}

/** In float64: the sums must not add errors of their own. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

const data = (t: Tensor | undefined): Float32Array => t?.data as Float32Array;

/**
 * Compares `<gradient of sum(y r), v>` with `(sum(y(x + h v) r) - sum(y(x - h v) r)) / 2h` for random x, r and v. A random
 * part of the inputs is asked for gradients, the others stay where they are.
 *
 * @param corrupt changes a gradient before it is compared, to see that the check notices
 */
export async function checkGradients(
  engine: Engine,
  sample: GradientSample,
  seed: number,
  corrupt: (gradient: Float32Array) => Float32Array = (g) => g,
): Promise<void> {
  const random = createRandom(seed);
  const forward = new GraphBuilder('forward');
  const entries = Object.entries(sample.inputs);
  const values = Object.fromEntries(entries.map(([n, { shape }]) => [n, forward.input(n, 'float32', shape)]));
  forward.output('y', sample.build(forward, values, random));
  const { b } = trainingMode(forward.finish(), { batchNorm: sample.batchNorm ?? 'frozen' });
  const y = b.finish().outputs[0]!.value;

  const names = entries.map(([name]) => name);
  const asked = names.filter(() => random.integer(3) > 0);
  const sources = asked.length > 0 ? asked : names;
  const r = b.input('r', 'float32', y.shape);
  const gradients = differentiate(
    b,
    y,
    sources.map((n) => values[n]!),
    r,
  );
  sources.forEach((name, i) => {
    const g = gradients[i] ?? expect.fail(`no gradient of '${name}'`);
    expect(g.shape, `shape of the gradient of '${name}'`).toEqual(values[name]!.shape);
    b.output(`gradient/${name}`, g);
  });

  const at = Object.fromEntries(entries.map(([n, { shape, domain }]) => [n, draw(shape, domain ?? 'any', random)]));
  const upstream = draw(y.shape, 'wide', random);
  const shift = Object.fromEntries(sources.map((n) => [n, draw(values[n]!.shape, 'any', random)]));
  const moved = (h: number): Record<string, Tensor> => ({
    ...at,
    ...Object.fromEntries(
      sources.map((n) => [
        n,
        floats(
          at[n]!.shape,
          at[n]!.data.map((x, i) => x + h * shift[n]!.data[i]!),
        ),
      ]),
    ),
  });
  const [high, low] = [moved(step), moved(-step)];

  const program = await engine.compile(b.finish());
  try {
    const run = (feeds: Record<string, Tensor>) => program.run({ ...feeds, r: upstream });
    const here = await run(at);
    const [above, below] = [await run(high), await run(low)];
    const difference = dot(data(above.y), upstream.data) - dot(data(below.y), upstream.data);
    let [expected, size] = [0, 0];
    for (const n of sources) {
      const gradient = corrupt(data(here[`gradient/${n}`]));
      // The inputs are rounded: what counts is the way that was really gone.
      expected += dot(gradient, data(high[n])) - dot(gradient, data(low[n]));
      size += dot(gradient, gradient);
    }
    const rounding = Math.sqrt(dot(upstream.data, upstream.data) * dot(data(here.y), data(here.y))) * 2 ** -20;
    const error = Math.abs(difference - expected) / (2 * step);
    expect(
      error,
      `${difference / (2 * step)} by differences, ${expected / (2 * step)} by the rule`,
    ).toBeLessThanOrEqual(1e-3 * Math.sqrt(size) + rounding / (2 * step) + 1e-6);
  } finally {
    await program.dispose();
  }
}
