/** @file `pixelwise models`: what can be used, trained, pulled and converted. */

import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { command, flag, text } from '../options.js';
import { print } from '../output.js';
import { type ConvertFileOptions, convertFile } from './models-convert.js';
import { info, infoText, list } from './models-info.js';
import { pullWeights } from './models-pull.js';

type Options = ConvertFileOptions & { readonly from: string | undefined; readonly force: boolean };

const usage = (message: string): PixelwiseError => new PixelwiseError('ERR_USAGE', message);

const required = (action: string, what: string, argument: string | undefined): string => {
  if (argument === undefined) throw usage(`models ${action} needs ${what}: pixelwise models ${action} ${what}`);
  return argument;
};

/** Each returns the exit code. */
const actions: Readonly<Record<string, (argument: string | undefined, o: Options) => Promise<number>>> = {
  async list(_, o) {
    print(await list(o.json));
    return 0;
  },
  async info(name, o) {
    const found = await info(required('info', 'NAME', name));
    print(o.json ? JSON.stringify(found) : infoText(found));
    return 0;
  },
  pull: (name, o) => pullWeights(required('pull', 'NAME', name), o),
  convert: (file, o) => convertFile(required('convert', 'FILE', file), o),
};

export const models = command({
  name: 'models',
  arguments: '[action] [name]',
  summary:
    'list: shipped models, networks and published weights; info NAME: one of them; pull NAME: published weights into the ' +
    'cache; convert FILE: weights of any kind into a model file',
  examples: [
    'pixelwise models list',
    'pixelwise models info fcn8s-vgg16 --json',
    'pixelwise models pull fcn_resnet50_coco && pixelwise segment photo.jpg --model fcn_resnet50_coco',
    'pixelwise models convert fcn8s-heavy-pascal.caffemodel --network fcn8s-vgg16 --classes voc -o fcn8s.safetensors',
  ],
  options: {
    json: { flags: '--json', description: 'print JSON', schema: flag },
    from: { flags: '--from <address|file>', description: 'pull: another place of the same file', schema: text },
    force: {
      flags: '--force',
      description: 'pull: fetch it again; convert: write over an existing file',
      schema: flag,
    },
    out: { flags: '-o, --out <file>', description: 'convert: the model file to write', schema: text },
    network: {
      flags: '--network <name>',
      description: 'convert: the network that the weights are of (default: the one they fill)',
      schema: text,
    },
    classes: {
      flags: '--classes <set|names|file>',
      description:
        'convert: what the labels mean: voc, camvid, nyud40, siftflow, pascal-context, names with commas, or a file with a name per line',
      schema: text,
    },
    order: {
      flags: '--order <RGB|BGR>',
      description: 'convert: the channel order the model shall take; folded into its first layer',
      schema: z.enum(['RGB', 'BGR']).optional(),
    },
    float16: { flags: '--float16', description: 'convert: store half-precision numbers', schema: flag },
  },
  async run([action = 'list', argument], o) {
    const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!run) throw usage(`Unknown: models ${action}. Expected list, info NAME, pull NAME or convert FILE.`);
    return run(argument, o);
  },
});
