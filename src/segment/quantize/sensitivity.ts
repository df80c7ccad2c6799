/** @file What each layer alone would change if it computed on whole numbers, measured at the labels. */

import type { Engine, Program } from '../../engine/engine.js';
import type { Graph } from '../../graph/ir.js';
import { rewrite } from '../../graph/rewrite.js';
import type { NamedTensors, Tensor } from '../../graph/tensor.js';
import { quantize, quantizeWeights } from '../../surgery/quantize/quantize.js';
import type { Quantization } from '../../weights/quantized.js';
import type { GraphAt } from './calibrate.js';

export interface LayerSensitivity {
  /** Name of the convolution's kernel. */
  readonly layer: string;
  /** Share of pixels with another label when this layer alone is quantised. */
  readonly changed: number;
}

export interface SensitivityOptions {
  readonly engine: Engine;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Labels at the resolution of the scores. */
function labelGraph(graph: Graph): Graph {
  const scores = graph.outputs.find((o) => o.name === 'scores')!.value;
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined);
  b.output('labels', b.cast(b.op('ArgMax', [substituteOf(scores)], { axis: 1, keepdims: 0 }), 'uint8', 'labels'));
  return b.finish();
}

async function labelsOf(program: Program, image: Tensor, signal?: AbortSignal): Promise<Uint8Array> {
  return (await program.run({ image }, signal ? { signal } : {})).labels!.data as Uint8Array;
}

function shareOfOthers(a: Uint8Array, b: Uint8Array): number {
  let others = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) others++;
  return others / a.length;
}

/**
 * Quantises one layer after the other, alone, and compares the labels with those of the network in float32.
 *
 * @param images of one size
 * @returns the layers, the one that changes most first
 */
export async function sensitivities(
  graphAt: GraphAt,
  weights: NamedTensors,
  quantization: Quantization,
  images: readonly Tensor<'float32'>[],
  { engine, signal, onProgress }: SensitivityOptions,
): Promise<LayerSensitivity[]> {
  const [, , height, width] = images[0]!.shape as [number, number, number, number];
  const graph = graphAt(height, width);
  const labels = async (whole: readonly string[]): Promise<Uint8Array[]> => {
    const q = { ...quantization, layers: whole };
    const program = await engine.compile(labelGraph(quantize(graph, q)), {
      weights: quantizeWeights(graph, q, weights),
    });
    try {
      const found: Uint8Array[] = [];
      for (const image of images) found.push(await labelsOf(program, image, signal));
      return found;
    } finally {
      await program.dispose();
    }
  };
  const truth = await labels([]);
  const found: LayerSensitivity[] = [];
  for (const [i, layer] of quantization.layers.entries()) {
    signal?.throwIfAborted();
    const changed = (await labels([layer])).reduce((sum, own, n) => sum + shareOfOthers(own, truth[n]!), 0);
    found.push({ layer, changed: changed / images.length });
    onProgress?.(i + 1, quantization.layers.length);
  }
  return found.sort((a, b) => b.changed - a.changed);
}
