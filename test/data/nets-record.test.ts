/**
 * @file Measures every network against its references and writes the result to src/nets/parity.ts, for the catalogue.
 * Runs only when asked to: `PIXELWISE_RECORD=. npx vitest run test/data/nets-record.test.ts`, or a part of a network's name in the
 * place of the dot; the record of the others stays.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sizeOf, type Tensor } from '../../src/graph/tensor.js';
import { networks } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { type ParityRecord, parity } from '../../src/nets/parity.js';
import { initialize } from '../../src/train/initialize.js';
import { type FilledTensor, fill, fillImage, readFillList } from '../support/fill.js';
import { references } from '../support/nets.js';
import { readCase } from '../support/parity.js';
import { distanceOf, networkOf, photographCases } from '../support/photographs.js';
import { runGraph } from '../support/run-graph.js';
import { shared, sharedRoot } from '../support/shared.js';

const folder = 'parity/nets';
const file = fileURLToPath(new URL('../../src/nets/parity.ts', import.meta.url));
const wanted = new RegExp(process.env.PIXELWISE_RECORD ?? '.');
const record = process.env.PIXELWISE_RECORD !== undefined && sharedRoot !== undefined;

/** The large layers are the same in most networks. */
const filled = new Map<string, Tensor>();
function fillOnce({ shape, t, amp, base }: FilledTensor): Tensor {
  const key = `${shape} ${t} ${amp} ${base}`;
  const tensor = filled.get(key) ?? fill(shape, t, amp, base);
  if (sizeOf(shape) > 1e6) filled.set(key, tensor);
  return tensor;
}

/** Largest relative difference over all maps of a reference. */
async function measure(path: string): Promise<{ network: string; difference: number }> {
  const { info, tensors } = readCase(path);
  const { network, options, maps } = references[info.net]!;
  const [, , h, w] = info.input.shape as number[];
  // Interp by 8 is made of another map by the reference: no map of the network.
  const names = Object.keys(info.outputs).filter((name) => name !== 'up8');
  const graph = networkGraph(network, { ...options, size: [h!, w!], outputs: names.map((n) => maps[n] ?? n) });
  const list = readFillList(shared(`parity/${info.params_file}`));
  const weights = new Map(list.tensors.map((t) => [t.name, fillOnce(t)]));
  const rest = graph.parameters.filter((p) => !weights.has(p.value.name));
  for (const [name, tensor] of initialize(rest, 0)) weights.set(name, tensor);
  const image = fillImage(info.input.shape, info.input.t, info.input.amp);
  const results = await runGraph(graph, weights, { image });
  let difference = 0;
  for (const name of names) {
    const ours = results.get(maps[name] ?? name)!.data as Float32Array;
    const theirs = tensors.get(name)!.data as Float32Array;
    const { step } = info.outputs[name];
    const largest = theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const worst = theirs.reduce((m, v, i) => Math.max(m, Math.abs(v - ours[i * step]!)), 0);
    expect(Number.isFinite(worst), `${path} ${name}`).toBe(true);
    difference = Math.max(difference, worst / largest);
  }
  return { network: network.name, difference };
}

describe.skipIf(!record)('the record of parity', () => {
  it('is measured and written', { timeout: 3_600_000 }, async () => {
    const found: Record<string, ParityRecord> = { ...parity };
    const fresh = new Set<string>();
    const add = (network: string, difference: number, reference: string) => {
      const before = fresh.has(network) ? found[network]! : { cases: 0, largestRelativeDifference: 0 };
      const largestRelativeDifference = Math.max(before.largestRelativeDifference, difference);
      found[network] = { reference, cases: before.cases + 1, largestRelativeDifference };
      fresh.add(network);
    };
    for (const name of readdirSync(shared(folder)).filter((f) => f.endsWith('.safetensors'))) {
      const reference = references[readCase(shared(`${folder}/${name}`)).info.net];
      if (!reference || !wanted.test(reference.network.name)) continue;
      const { network, difference } = await measure(shared(`${folder}/${name}`));
      add(network, difference, 'PyTorch, float64, filled weights');
    }
    for (const set of ['espnetv2', 'camvid'] as const) {
      for (const e of Object.values(photographCases[set])) {
        const { name } = networkOf(e.weights);
        if (!wanted.test(name)) continue;
        const { difference } = await distanceOf(set, e);
        add(name, difference / e.absMax, 'PyTorch, float64, published weights on photographs');
      }
    }
    const key = (name: string) => (/^\w+$/.test(name) ? name : `'${name}'`);
    const number = (v: number) => v.toExponential(1).replace(/e-(\d)$/, 'e-$1');
    const lines = Object.entries(found)
      .sort()
      .map(
        ([name, { reference, cases, largestRelativeDifference }]) =>
          `  ${key(name)}: {\n    reference: '${reference}',\n    cases: ${cases},\n    largestRelativeDifference: ${number(largestRelativeDifference)},\n  },\n`,
      );
    const text = readFileSync(file, 'utf8');
    const at = text.search(/(const reference|export const parity)/);
    writeFileSync(
      file,
      `${text.slice(0, at)}export const parity: Readonly<Record<string, ParityRecord>> = {\n${lines.join('')}};\n`,
    );
  });
});

describe('the record', () => {
  it('names networks of the catalogue, all close to their references', () => {
    const names = networks.map((n) => n.name);
    for (const [name, { cases, largestRelativeDifference }] of Object.entries(parity)) {
      expect(names).toContain(name);
      expect(cases).toBeGreaterThan(0);
      expect(largestRelativeDifference).toBeLessThan(1e-4);
    }
  });
});
