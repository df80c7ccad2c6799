/** @file Winograd's form of a convolution against the convolution itself, forward and backward. */

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { type ConvOptions, GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { floats, sizeOf } from '../../src/graph/tensor.js';
import { winograd } from '../../src/surgery/winograd.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

interface Case extends ConvOptions {
  readonly x: readonly [number, number, number, number];
  readonly out: number;
  readonly kernel?: number;
}

const random = createRandom(5);
const drawn = (shape: readonly number[], scale = 1) =>
  floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => scale * random.normal()),
  );

/** A convolution, at once or `parts` channels at a time: too few of them to gain anything. */
function network({ x, out, kernel = 3, ...o }: Case, parts = out): Graph {
  const b = new GraphBuilder('layer');
  const [w, bias] = [b.parameter('w', [out, x[1] / (o.group ?? 1), kernel, kernel]), b.parameter('bias', [out])];
  const image = b.input('x', 'float32', x);
  const maps = Array.from({ length: out / parts }, (_, i) => {
    const [kernels, added] = [w, bias].map((v) => b.slice(v, [0], [i * parts], [(i + 1) * parts])) as [Value, Value];
    return b.conv(image, kernels, added, o);
  });
  b.output('y', b.concat(maps, 1));
  return b.finish();
}

/** The result, and the gradients of its product with a fixed tensor. */
async function run(graph: Graph, feeds: Record<string, ReturnType<typeof drawn>>) {
  const b = new GraphBuilder('gradients', graph);
  const y = graph.outputs[0]!.value;
  const seed = b.input('seed', 'float32', y.shape);
  const sources = [...graph.inputs, ...graph.parameters.map((p) => p.value)];
  differentiate(b, y, sources, seed).forEach((g, i) => {
    b.output(`gradient/${sources[i]!.name}`, b.reshape(g!, sources[i]!.shape));
  });
  const { x, seed: dy, ...weights } = feeds;
  const program = await engine.compile(winograd(b.finish()), { weights: new Map(Object.entries(weights)) });
  const results = await program.run({ x: x!, seed: dy! });
  await program.dispose();
  return results;
}

const cases: Case[] = [
  { x: [1, 384, 33, 34], out: 320, pad: 1 },
  { x: [2, 256, 27, 30], out: 320, pad: [0, 2, 1, 3] },
  { x: [1, 448, 37, 39], out: 448, pad: 2, dilation: 2 },
  { x: [1, 448, 41, 41], out: 448, pad: [1, 2, 3, 0], dilation: 3 },
  { x: [1, 256, 40, 40], out: 256 },
  // So wide that their kernels are made in parts, cut along the wider side.
  { x: [1, 512, 24, 24], out: 640, pad: 1 },
  { x: [1, 640, 24, 24], out: 512, pad: 1 },
];

describe("Winograd's form", () => {
  it.each(cases)('is the convolution of $x with $out channels, pad $pad, dilation $dilation', async (c) => {
    const [plain, tiled] = [network(c, 8), network(c)];
    expect(winograd(plain).nodes.map((n) => n.op)).not.toContain('MatMul');
    expect(winograd(tiled).nodes.map((n) => n.op)).not.toContain('Conv');
    const feeds = {
      x: drawn(c.x),
      w: drawn(plain.parameters[0]!.value.shape, 0.02),
      bias: drawn([c.out]),
      seed: drawn(plain.outputs[0]!.value.shape),
    };
    const [expected, received] = [await run(plain, feeds), await run(tiled, feeds)];
    for (const [name, { shape, data }] of Object.entries(expected)) {
      const found = received[name]!;
      expect(found.shape, name).toEqual(shape);
      const largest = (data as Float32Array).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      const error = (data as Float32Array).reduce((a, v, i) => Math.max(a, Math.abs(v - Number(found.data[i]))), 0);
      expect(error / largest, name).toBeLessThan(5e-6);
    }
  });

  it.each<Case>([
    { x: [1, 64, 41, 41], out: 64, pad: 1 },
    { x: [1, 512, 8, 8], out: 512, pad: 1 },
    { x: [1, 512, 41, 41], out: 512, kernel: 1 },
    { x: [1, 512, 41, 41], out: 512, pad: 1, stride: 2 },
    { x: [1, 512, 41, 41], out: 512, pad: 1, group: 2 },
    { x: [1, 512, 41, 41], out: 512, pad: 1, dilation: [1, 2] },
  ])('leaves alone what gains nothing or is no such convolution: %j', (c) => {
    expect(winograd(network(c)).nodes.map((n) => n.op)).toEqual(['Conv']);
  });
});
