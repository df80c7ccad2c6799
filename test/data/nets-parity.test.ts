/** @file Every network at full width, with weights that any language can repeat, against PyTorch in float64. */

import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import { floats, type NamedTensors, sizeOf, type Tensor } from '../../src/graph/tensor.js';
import { inputChannels } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { type FilledTensor, fill, fillImage, readFillList } from '../support/fill.js';
import { references } from '../support/nets.js';
import { expectClose, readCase } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';
import { shared, sharedRoot } from '../support/shared.js';

const folder = 'parity/nets';
const files = sharedRoot ? readdirSync(shared(folder)).filter((f) => f.endsWith('.safetensors')) : [];

/** The large layers are the same in most networks: filled once, kept while a neighbour may need them. */
const filled = new Map<string, Tensor>();
afterAll(() => filled.clear());
function fillOnce({ shape, t, amp, base }: FilledTensor): Tensor {
  const key = `${shape} ${t} ${amp} ${base}`;
  const known = filled.get(key);
  if (known) return known;
  const made = fill(shape, t, amp, base);
  if (sizeOf(shape) > 1e6) filled.set(key, made);
  return made;
}

/** Values at indices 0, step, 2 step, ... */
function subsample(t: Tensor, step: number): Tensor {
  const data = t.data as Float32Array;
  return floats(
    [Math.ceil(data.length / step)],
    data.filter((_, i) => i % step === 0),
  );
}

/** The best class of every pixel; ties go to the lowest. */
function argmax({ data, shape }: Tensor): Uint8Array {
  const [, classes, h, w] = shape as [number, number, number, number];
  const values = data as Float32Array;
  return Uint8Array.from({ length: h * w }, (_, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[c * h * w + i]! > values[best * h * w + i]!) best = c;
    return best;
  });
}

/** Bit `i` of packed bits, most significant first. */
const bit = (packed: Tensor, i: number): boolean => ((Number(packed.data[i >> 3]) >> (7 - (i & 7))) & 1) === 1;

describe.skipIf(!sharedRoot)('networks against PyTorch', () => {
  it.each(files)('%s', async (file) => {
    const { info, tensors } = readCase(shared(`${folder}/${file}`));
    const { network, options, maps, further } = references[info.net] ?? expect.fail(`no network for ${info.net}`);
    expect(info.input.shape[1]).toBe(inputChannels(network));
    const names = Object.keys(info.outputs);
    const b = new GraphBuilder(network.name);
    const image = b.input('image', 'float32', info.input.shape);
    const { taps, heads = {}, ...outputs } = network.build(b, image, options);
    const scores = Object.fromEntries(Object.entries(heads).map(([name, head]) => [name, head.scores]));
    const values: Record<string, Value> = { ...taps, ...scores, ...outputs, ...further?.(b, outputs.low) };
    for (const name of names) b.output(name, values[maps[name] ?? name] ?? expect.fail(`no map ${name}`));
    const graph = b.finish();
    const list = readFillList(shared(`parity/${info.params_file}`));
    const weights: NamedTensors = new Map(list.tensors.map((t) => [t.name, fillOnce(t)]));
    // The references hold no fixed deconvolutions.
    for (const [name, t] of initialize(
      graph.parameters.filter((p) => !weights.has(p.value.name)),
      0,
    )) {
      weights.set(name, t);
    }
    const picture = fillImage(info.input.shape, info.input.t, info.input.amp);
    const results = await runGraph(graph, weights, { image: picture });

    for (const name of names) {
      const map = results.get(name)!;
      const { shape, step } = info.outputs[name];
      expect(map.shape, name).toEqual(shape);
      expectClose(subsample(map, step), tensors.get(name)!, info.tol.rel_to_absmax, name);
      const best = tensors.get(`argmax_${name}`);
      if (!best) continue;
      const sure = tensors.get(`sure_${name}`)!;
      const ours = argmax(map);
      const wrong = ours.reduce((n, c, i) => n + (bit(sure, i) && c !== best.data[i] ? 1 : 0), 0);
      expect(wrong, `${name}: pixels of another class`).toBe(0);
    }
  });
});

describe.skipIf(!sharedRoot)('the rule that fills weights', () => {
  it('gives the published check values', () => {
    const h = (i: number, t: number) => Math.round((fill([i + 1], t, 1).data[i]! + 1) * 2147483648);
    // float32 keeps 24 of the 32 bits.
    expect(Math.abs(h(0, 0) - 1011272156)).toBeLessThan(256);
    expect(Math.abs(h(3, 7) - 2005374445)).toBeLessThan(256);
  });
});
