/** @file `pixelwise models list` and `info`: the catalogue's facts as a table or JSON. */

import { findCached } from '../../catalogue/cache.js';
import { cacheFolder } from '../../catalogue/cache-folder.js';
import { labelSets } from '../../catalogue/label-sets.js';
import { PixelwiseError } from '../../errors.js';
import type { Graph } from '../../graph/ir.js';
import { countMacs } from '../../graph/macs.js';
import { nearest } from '../../nearest.js';
import { classifiers, findNetwork, networks } from '../../nets/catalogue.js';
import { learnable } from '../../nets/count.js';
import { type Classifier, classifierGraph, type Network, networkGraph } from '../../nets/network.js';
import { parityOf, parityText } from '../../nets/parity-state.js';
import { type Checksum, findPublished, type PublishedWeights, published } from '../../nets/published.js';
import { defaultModel } from '../../segment/default-model.js';
import { loadModel, shippedModels } from '../../segment/model.js';
import { table } from '../output.js';

const checksumText = (c: Checksum | undefined): string => (c ? `${c.algorithm} ${c.hex}` : 'none published');

/** Published weights as `info` tells them. */
function weightsInfo(p: PublishedWeights) {
  const { name, address, licence, source, score } = p;
  return { name, address, checksum: checksumText(p.checksum), licence, source, publishedScore: score ?? 'none' };
}

/** What is known of a network or classifier itself. */
function networkInfo(n: Network | Classifier, graph: Graph) {
  return {
    network: n.name,
    title: n.title,
    parameters: learnable(graph),
    macs: countMacs(graph),
    inputSize: n.inputSize,
    stride: 'stride' in n ? n.stride : 'whole picture',
    parity: parityOf(n.name),
    classCount: n.classes,
    preprocessing: n.preprocessing,
    paper: n.source,
  };
}

const noWeights = { licence: 'none', source: 'none', publishedScore: 'none', checksum: 'none', address: 'none' };

async function publishedInfo(name: string, entry: PublishedWeights | undefined, n: Network | Classifier, graph: Graph) {
  const set = entry?.labels === undefined ? undefined : labelSets[entry.labels];
  const cached = entry && (await findCached(entry.name));
  return {
    ...networkInfo(n, graph),
    classes: set?.classes ?? [],
    palette: set?.palette.slice(0, set.classes.length) ?? [],
    ...(entry ? weightsInfo(entry) : noWeights),
    name,
    weights: published.filter((p) => p.network === n.name).map(weightsInfo),
    cached: cached?.path ?? (entry ? `no: pixelwise models pull ${entry.name}` : 'no'),
  };
}

const graphOf = (n: Network | Classifier): Graph =>
  'stride' in n ? networkGraph(n, { size: n.inputSize }) : classifierGraph(n);

async function shippedInfo(name: string) {
  const { file, description } = await loadModel(name);
  // Its own page: a quantised network has no parameters to learn.
  const network = findNetwork(description.network);
  const { classes, palette, preprocessing, longSide, training, quantized } = description;
  return {
    ...networkInfo(network, networkGraph(network, { size: network.inputSize, classes: classes.length })),
    name,
    classCount: classes.length,
    classes,
    palette,
    preprocessing,
    licence: `see models/${name}.md`,
    source: network.source,
    publishedScore: `see models/${name}.md`,
    checksum: 'ships with the package',
    model: { file, classes, longSide, training: training ?? {}, layersInInt8: quantized?.layers.length ?? 0 },
  };
}

/** Everything known of a shipped model, of published weights, of a network or of a classifier. */
export async function info(name: string): Promise<Readonly<Record<string, unknown>>> {
  if ((await shippedModels()).includes(name)) return shippedInfo(name);
  const entry = findPublished(name);
  const all: readonly (Network | Classifier)[] = [...networks, ...classifiers];
  const n =
    all.find((candidate) => candidate.name === name) ?? all.find((candidate) => candidate.name === entry?.network);
  if (n) return publishedInfo(name, entry, n, graphOf(n));
  if (entry) return { ...weightsInfo(entry), network: entry.network };
  const names = [...new Set([...(await shippedModels()), ...all.map((a) => a.name), ...published.map((p) => p.name)])];
  const guess = nearest(name, names);
  throw new PixelwiseError(
    'ERR_MODEL',
    `There is no model or network '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} 'pixelwise models list' names all.`,
    { subject: name },
  );
}

const isObject = (v: unknown): v is Readonly<Record<string, unknown>> => typeof v === 'object' && v !== null;

/** For people: lists with commas, objects as `name value`, each of several objects on a line of its own. */
function shown(v: unknown): string {
  if (Array.isArray(v)) return v.some(isObject) ? v.map((o) => `\n  ${shown(o)}`).join('') : v.join(', ');
  if (!isObject(v)) return String(v);
  return Object.entries(v)
    .filter(([, value]) => value !== 'none')
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join('/') : shown(value)}`)
    .join(', ');
}

/** What is not known or not there is left out; colors are for programs. */
const isTold = ([name, v]: readonly [string, unknown]): boolean =>
  name !== 'palette' && v !== 'none' && !(Array.isArray(v) && v.length === 0);

export const infoText = (found: Readonly<Record<string, unknown>>): string =>
  Object.entries(found)
    .filter(isTold)
    .map(([name, v]) => `${name.padEnd(16)}${name === 'parity' ? parityText(String(found.network)) : shown(v)}`)
    .join('\n');

/** Everything there is, by name. */
export async function list(json: boolean): Promise<string> {
  const shipped = await shippedModels();
  const everything: readonly (Network | Classifier)[] = [...networks, ...classifiers];
  const all = everything.map((n) => ({ name: n.name, ...networkInfo(n, graphOf(n)) }));
  const rows = all.slice(0, networks.length);
  const pullable = await Promise.all(
    published.map(async (p) => ({
      ...weightsInfo(p),
      network: p.network,
      kind: p.kind,
      cached: !!(await findCached(p.name)),
    })),
  );
  if (json)
    return JSON.stringify({
      models: shipped,
      default: defaultModel,
      networks: rows,
      classifiers: all.slice(networks.length),
      published: pullable,
    });
  const count = (n: number): string => n.toLocaleString('en-US');
  return [
    `models that ship with pixelwise: ${shipped.map((m) => (m === defaultModel ? `${m} (default)` : m)).join(', ') || 'none'}`,
    '',
    table([
      ['network', 'parameters', 'GMACs', 'at', 'classes', 'title', 'parity'],
      ...rows.map((r) => [
        r.name,
        count(r.parameters),
        (r.macs / 1e9).toFixed(2),
        r.inputSize.join('x'),
        String(r.classCount),
        r.title,
        parityText(r.name),
      ]),
    ]),
    '',
    'parity: largest difference of a score from PyTorch in float64, over the largest score',
    '',
    `weights to pull, into ${cacheFolder()}:`,
    table([
      ['name', 'fills', 'here', 'score'],
      ...pullable.map((p) => [p.name, p.network, p.cached ? 'yes' : 'no', p.publishedScore]),
    ]),
  ].join('\n');
}
