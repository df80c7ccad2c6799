import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/ir.js';
import { readOnnx, type WrittenModel, writeOnnx } from '../../src/graph/onnx/index.js';
import { arrayType, sizeOf } from '../../src/graph/tensor.js';
import { sampleGraph, sampleOps, sampleWeights } from '../support/onnx-samples.js';

async function run(graph: Graph, { model, externalData }: WrittenModel, more: Record<string, ort.Tensor> = {}) {
  const session = await ort.InferenceSession.create(model, {
    logSeverityLevel: 3,
    externalData: externalData.map(({ path, data }) => ({ path, data })),
  });
  const feeds: Record<string, ort.Tensor> = { ...more };
  for (const { name, dtype, shape } of graph.inputs) {
    const data = new (arrayType(dtype))(sizeOf(shape)) as Float32Array | BigInt64Array;
    for (let i = 0; i < data.length; i++) data[i] = dtype === 'int64' ? BigInt(i % 3) : (i % 13) / 3 - 1;
    feeds[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  }
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const contents = (results: Awaited<ReturnType<typeof run>>) =>
  Object.entries(results).map(([name, t]) => [name, t.type, [...t.dims], Array.from(t.data as ArrayLike<unknown>)]);

describe('every operator runs, and gives the shapes and types that the graph says', () => {
  it.each(sampleOps)('%s', async (op) => {
    const graph = sampleGraph(op);
    const weights = sampleWeights(graph);
    const inside = await run(graph, writeOnnx(graph, { weights }));
    for (const { name, value } of graph.outputs) {
      expect([name, inside[name]?.type, inside[name]?.dims]).toEqual([name, value.dtype, value.shape]);
    }
    const fed = [...weights].map(([name, t]) => [
      name,
      new ort.Tensor(t.dtype as 'float32', t.data as Float32Array, t.shape),
    ]);
    const others = await run(graph, writeOnnx(graph), Object.fromEntries(fed));
    // Weights that are inputs are not packed beforehand: another kernel, other roundings.
    for (const { name } of graph.outputs) {
      const [a, b] = [inside[name], others[name]].map((t) => Array.from(t?.data as Float32Array, Number));
      for (const [i, x] of a!.entries()) if (!Object.is(x, b![i])) expect(Math.abs(x - b![i]!)).toBeLessThan(1e-4);
    }
  });
});

it('weights beside the model and inside give the same results, before and after reading', async () => {
  for (const op of ['Conv', 'Gemm', 'ConvTranspose'] as const) {
    const graph = sampleGraph(op);
    const weights = sampleWeights(graph);
    const inside = await run(graph, writeOnnx(graph, { weights }));
    const beside = writeOnnx(graph, { weights, external: true });
    expect(beside.externalData.length).toBe(op === 'Gemm' || op === 'ConvTranspose' ? 1 : 0);
    expect(contents(await run(graph, beside))).toEqual(contents(inside));
    const read = readOnnx(beside.model, { external: beside.externalData });
    const again = writeOnnx(read.graph, { weights: read.weights, external: true });
    expect(contents(await run(read.graph, again))).toEqual(contents(inside));
  }
});
