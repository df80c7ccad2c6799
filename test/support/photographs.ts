/** @file The published ESPNet weights on photographs: how far our scores and labels are from the references of parity/real. */

import { readFileSync } from 'node:fs';
import { toTensor } from '../../src/data/normalize.js';
import type { Graph } from '../../src/graph/ir.js';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';
import { decodeLabelMap } from '../../src/image/index-png.js';
import type { Picture } from '../../src/image/picture.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { type Network, networkGraph } from '../../src/nets/network.js';
import { matchWeights, readSafetensors } from '../../src/weights/index.js';
import { readPth } from '../../src/weights/pth.js';
import { runGraph } from './run-graph.js';
import { shared, sharedRoot } from './shared.js';

export const bytes = (path: string): Uint8Array => new Uint8Array(readFileSync(shared(path)));
// biome-ignore lint/suspicious/noExplicitAny: the reference's own free-form description
export const json = (path: string): any => (sharedRoot ? JSON.parse(readFileSync(shared(path), 'utf8')) : {});
const tensorsOf = (path: string): NamedTensors =>
  sharedRoot ? readSafetensors(bytes(path), path).tensors : new Map<string, Tensor>();

export interface Expected {
  readonly weights: string;
  readonly input: string;
  readonly logitsTensor: string;
  readonly labels: string;
  readonly absMax: number;
  readonly 'shareOfPixelsWithTop2Margin<0.01': number;
}

/** By the file of references, the cases in it. */
export const photographCases: Readonly<Record<'espnetv2' | 'camvid', Readonly<Record<string, Expected>>>> = sharedRoot
  ? json('parity/real/MANIFEST.json')
  : { espnetv2: {}, camvid: {} };
const inputs = tensorsOf('parity/real/inputs.safetensors');
const references = {
  espnetv2: tensorsOf('parity/real/espnetv2.safetensors'),
  camvid: tensorsOf('parity/real/camvid.safetensors'),
};

/** By the name of the file. */
export const networkOf = (file: string): Network =>
  findNetwork(file.startsWith('espnet_') ? 'espnet-camvid' : file.includes('_s_2.0_') ? 'espnetv2' : 'espnetv2-0.5');

export function loaded(file: string, graph: Graph): NamedTensors {
  const path = `weights/${file}`;
  return matchWeights(
    graph.parameters.map((p) => p.value),
    readPth(bytes(path), path),
  ).tensors;
}

export function pictureOf(name: string): Picture {
  const { shape, data } = inputs.get(name)!;
  return { height: shape[0]!, width: shape[1]!, data: data as Uint8Array };
}

export interface Distance {
  readonly network: Network;
  /** Largest difference of a score; the references hold every eighth pixel. */
  readonly difference: number;
  /** Share of the pixels with another label. */
  readonly wrong: number;
}

export async function distanceOf(
  set: 'espnetv2' | 'camvid',
  e: Expected,
  network: Network = networkOf(e.weights),
): Promise<Distance> {
  const picture = pictureOf(e.input);
  const graph = networkGraph(network, { size: [picture.height, picture.width] });
  const image = toTensor([picture], network.preprocessing);
  const scores = (await runGraph(graph, loaded(e.weights, graph), { image })).get('scores')!;
  const [, classes, h, w] = scores.shape as [number, number, number, number];
  const values = scores.data as Float32Array;
  const reference = references[set].get(e.logitsTensor)!;
  const [rows, columns] = reference.shape.slice(-2) as [number, number];
  if (rows !== Math.floor((h + 4) / 8) || columns !== Math.floor((w + 4) / 8)) {
    throw new Error(`${e.logitsTensor}: ${rows}x${columns} samples of ${h}x${w} pixels`);
  }
  let difference = 0;
  reference.data.forEach((value: number | bigint, i: number) => {
    const c = Math.floor(i / (rows * columns));
    const y = 3 + 8 * (Math.floor(i / columns) % rows);
    const x = 3 + 8 * (i % columns);
    const d = Math.abs(values[(c * h + y) * w + x]! - Number(value));
    if (!(d <= difference)) difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  });
  const labels = decodeLabelMap(bytes(`parity/real/${e.labels}`)).data;
  let wrong = 0;
  for (let i = 0; i < h * w; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[c * h * w + i]! > values[best * h * w + i]!) best = c;
    if (best !== labels[i]) wrong++;
  }
  return { network, difference, wrong: wrong / (h * w) };
}
