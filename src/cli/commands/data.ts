/** @file `pixelwise data`: look at a data set, count it, show it, convert it, split it. */

import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, share, text, whole } from '../options.js';
import { say } from '../output.js';
import { browse } from './data-browse.js';
import { check } from './data-check.js';
import { convert } from './data-convert.js';
import type { DataOptions } from './data-options.js';
import { split } from './data-split.js';
import { stats } from './data-stats.js';

/** Each returns the exit code. */
const actions: Readonly<Record<string, (spec: string, o: DataOptions, signal: AbortSignal) => Promise<number>>> = {
  check,
  stats,
  browse,
  convert,
  split,
};

export const dataCommand = command({
  name: 'data',
  arguments: '[action] [kind:path]',
  summary:
    'check: the label doctor; stats: classes, weights, mean colour; browse: a page of samples; convert: into a plain folder; ' +
    'split: into train and val',
  examples: [
    'pixelwise data check voc:VOC2012',
    'pixelwise data stats folder:mine --json',
    'pixelwise data browse voc:VOC2012 --split val -o val.html',
    'pixelwise data convert folder:mine --map 255=1 -o mine-fixed',
    'pixelwise data convert nyudv2:nyu_depth_v2_labeled.mat -o nyudv2',
    'pixelwise data split folder:mine --val 0.2 --seed 7',
  ],
  options: {
    split: {
      flags: '--split <names>',
      description: 'the splits, with commas (default: train, val and test, those that there are)',
      schema: text,
    },
    json: { flags: '--json', description: 'check, stats: print one JSON object', schema: flag },
    quick: {
      flags: '--quick',
      description: 'check: do not decode the pictures, and look for no duplicates',
      schema: flag,
    },
    out: {
      flags: '-o, --out <path>',
      description: 'browse: the page; convert: the new folder; split: where the lists go',
      schema: text,
    },
    limit: { flags: '--limit <n>', description: 'browse: samples on the page (default: 60)', schema: whole },
    map: {
      flags: '--map <old=new>',
      description: 'convert: another number for a label, several with commas; 255 is void; may be repeated',
      schema: z.array(z.string()).default([]),
      repeated: true,
    },
    palette: {
      flags: '--palette <file>',
      description:
        "convert: the colours of painted masks, a line 'name red green blue' per class, instead of the data set's",
      schema: text,
    },
    nearest: {
      flags: '--nearest',
      description: 'convert: colours between two classes become the nearer one',
      schema: flag,
    },
    val: { flags: '--val <share>', description: 'split: share of the validation pictures', schema: share(0.2) },
    test: { flags: '--test <share>', description: 'split: share of the test pictures', schema: share(0) },
    seed: {
      flags: '--seed <n>',
      description: 'split: another number, another split',
      schema: z.coerce.number().int().nonnegative().default(1337),
    },
  },
  async run([action, spec], o) {
    const run = action !== undefined && Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!run || spec === undefined) {
      const what = run || action === undefined ? 'Expected an action and a data set' : `Unknown: data ${action}`;
      const example = `pixelwise data ${run ? action : 'check'} voc:VOC2012`;
      throw new PixelwiseError(
        'ERR_USAGE',
        `${what}. Expected ${Object.keys(actions).join(', ')} and KIND:PATH, for example: ${example}`,
      );
    }
    using interrupt = untilInterrupted();
    try {
      return await run(spec, o, interrupt.signal);
    } catch (error) {
      if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error;
      say('Interrupted: nothing was written.');
      return interruptedCode;
    }
  },
});
