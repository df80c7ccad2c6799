/** @file `pixelwise models`: what can be used and trained. */

import { PixelwiseError } from '../../errors.js';
import { findNetwork, networks } from '../../nets/catalogue.js';
import { countMacs, countParameters } from '../../nets/count.js';
import { networkGraph } from '../../nets/network.js';
import { defaultModel, loadModel, shippedModels } from '../../segment/model.js';
import { command, flag } from '../options.js';
import { print, table } from '../output.js';

interface Info {
  readonly name: string;
  readonly title: string;
  readonly parameters: number;
  readonly macs: number;
  readonly inputSize: readonly number[];
  readonly classes: number;
  readonly stride: number;
  readonly preprocessing: unknown;
  readonly source: string;
  /** Where its numbers were compared with a reference. */
  readonly parity: string;
  readonly model?: {
    readonly file: string;
    readonly classes: readonly string[];
    readonly longSide: number;
    readonly training: unknown;
  };
}

function networkInfo(name: string): Info {
  const network = findNetwork(name);
  const { title, inputSize, classes, stride, preprocessing, source } = network;
  return {
    name,
    title,
    parameters: countParameters(network),
    macs: countMacs(networkGraph(network, { size: inputSize })),
    inputSize,
    classes,
    stride,
    preprocessing,
    source,
    parity: 'test/data/nets-parity.test.ts',
  };
}

async function info(name: string): Promise<Info> {
  if (!(await shippedModels()).includes(name)) return networkInfo(name);
  const { file, description, network } = await loadModel(name);
  const { classes, longSide, training } = description;
  return { ...networkInfo(network.name), name, model: { file, classes, longSide, training } };
}

async function list(json: boolean): Promise<string> {
  const shipped = await shippedModels();
  const rows = networks.map((n) => networkInfo(n.name));
  if (json) return JSON.stringify({ models: shipped, default: defaultModel, networks: rows });
  const count = (n: number) => n.toLocaleString('en-US');
  return [
    `models that ship with pixelwise: ${shipped.map((m) => (m === defaultModel ? `${m} (default)` : m)).join(', ') || 'none'}`,
    '',
    table([
      ['network', 'parameters', 'GMACs', 'at', 'classes', 'title'],
      ...rows.map((r) => [
        r.name,
        count(r.parameters),
        (r.macs / 1e9).toFixed(2),
        r.inputSize.join('x'),
        String(r.classes),
        r.title,
      ]),
    ]),
  ].join('\n');
}

export const models = command({
  name: 'models',
  arguments: '[action] [name]',
  summary: 'list: the shipped models and all networks; info NAME: one of them',
  examples: ['pixelwise models list', 'pixelwise models info fcn8s-vgg16 --json'],
  options: { json: { flags: '--json', description: 'print JSON', schema: flag } },
  async run([action = 'list', name], o) {
    if (action === 'list') print(await list(o.json));
    else if (action === 'info' && name !== undefined) {
      const found = await info(name);
      print(
        o.json
          ? JSON.stringify(found)
          : Object.entries(found)
              .map(([k, v]) => `${k.padEnd(14)}${typeof v === 'object' ? JSON.stringify(v) : v}`)
              .join('\n'),
      );
    } else {
      throw new PixelwiseError('ERR_USAGE', `Unknown: models ${action}. Expected 'models list' or 'models info NAME'.`);
    }
    return 0;
  },
});
