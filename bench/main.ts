/**
 * @file `npm run bench -- NAME [--json] [--steps N]`: measures us and a peer in one run. A ratio above 1 says that we are
 * better.
 */

import { parseArgs } from 'node:util';
import { PixelwiseError } from 'pixelwise';
import { coldSegment } from './cold-segment.js';
import { crf } from './crf.js';
import { crfRows } from './crf-rows.js';
import { heatmap } from './heatmap.js';
import { inferFcnResnet50 } from './infer-fcn-resnet50.js';
import { int8Benches } from './infer-int8.js';
import { loadPth } from './load-pth.js';
import { loader } from './loader.js';
import { trainCamvid } from './train-camvid.js';
import { trainingBenches } from './training.js';

export interface BenchOptions {
  /** Measurements of each side; every benchmark has its own default. */
  readonly steps: number;
  /** Says on stderr how far things are. */
  say(line: string): void;
}

export interface BenchResult {
  readonly ours: number;
  /** Undefined where there is nothing to compare with. */
  readonly peer?: number;
  readonly ratio?: number;
  readonly unit: string;
  readonly [detail: string]: unknown;
}

export interface Bench {
  readonly steps?: number;
  run(options: BenchOptions): Promise<BenchResult>;
  /** What our own process does, where the benchmark gives each side one. */
  side?(): Promise<void>;
}

const benches: Readonly<Record<string, Bench>> = {
  ...trainingBenches,
  'train-camvid': trainCamvid,
  'cold-segment': coldSegment,
  crf,
  'crf-rows': crfRows,
  loader,
  'load-pth': loadPth,
  'infer-fcn-resnet50': inferFcnResnet50,
  heatmap,
  ...int8Benches,
};

function usage(problem: string): PixelwiseError {
  return new PixelwiseError(
    'ERR_USAGE',
    `${problem} Expected npm run bench -- NAME [--json] [--steps N], NAME one of ${Object.keys(benches).join(', ')}.`,
  );
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, steps: { type: 'string' }, side: { type: 'boolean' } },
  });
  const [name = ''] = positionals;
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!bench) throw usage(name ? `There is no benchmark '${name}'.` : 'No benchmark was named.');
  if (values.side) return bench.side?.();
  const steps = Number(values.steps ?? bench.steps ?? 10);
  if (!Number.isInteger(steps) || steps < 1) throw usage(`Impossible number of steps '${values.steps}'.`);
  const result = await bench.run({ steps, say: (line) => process.stderr.write(`${line}\n`) });
  if (values.json) console.log(JSON.stringify({ name, ...result }));
  else {
    const { ours, peer, ratio, unit } = result;
    const compared = peer === undefined ? '' : `, peer ${peer.toPrecision(4)}, ratio ${ratio?.toFixed(3)}`;
    console.log(`${name}: ours ${ours.toPrecision(4)}${compared} (${unit})`);
  }
}

main().catch((error: unknown) => {
  const known = error instanceof PixelwiseError;
  process.stderr.write(`${known ? error.message : String((error as Error).stack ?? error)}\n`);
  process.exitCode = known && error.code === 'ERR_USAGE' ? 2 : 1;
});
