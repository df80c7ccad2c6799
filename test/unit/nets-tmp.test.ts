import { it } from 'vitest';
import { readFileSync } from 'node:fs';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { runGraph } from '../support/run-graph.js';
import { initialize } from '../../src/train/initialize.js';
import { readPth } from '../../src/weights/pth.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
it('x', async () => {
  const w = readPth(readFileSync('/work/shared/weights/squeezenet1_0_deepcompression_bgr255.pth'));
  const { tensors } = readSafetensors(new Uint8Array(readFileSync('/work/shared/parity/real/inputs.safetensors')), 'i');
  const n = findNetwork('fcn-squeezenet');
  for (const p of ['2007_001763', '2010_003239', '2010_005160', '2007_005331']) {
    const u = tensors.get(`voc.${p}.rgb384`)!;
    const x = new Float32Array(3 * 384 * 384);
    const mean = [104, 117, 123];
    for (let c = 0; c < 3; c++) for (let i = 0; i < 384 * 384; i++) x[c * 384 * 384 + i] = Number(u.data[i * 3 + 2 - c]) - mean[c]!;
    const g = networkGraph(n, { size: [384, 384], outputs: ['fire4', 'fire8', 'fire9', 'context', 'scores'] });
    const all = new Map([...initialize(g.parameters, 1), ...[...w].filter(([k]) => k.startsWith('features'))]);
    const r = await runGraph(g, all, { image: { dtype: 'float32', shape: [1, 3, 384, 384], data: x } });
    for (const [k, t] of r) {
      let s = 0, ss = 0, m = 0;
      const d = t.data as Float32Array;
      for (const v of d) { s += v; ss += v * v; m = Math.max(m, v); }
      console.log(p, k, t.shape.join('x'), 'rms', Math.sqrt(ss / d.length), 'mean', s / d.length, 'max', m);
    }
  }
});
