/** @file `pixelwise bench`: how fast a model is on this machine, and PyTorch beside it if it is there. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keptGraphs } from '../../catalogue/cache-folder.js';
import { devices } from '../../engine/engine.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import type { Parameter } from '../../graph/ir.js';
import { readPicture } from '../../image/decode.js';
import { vocPalette } from '../../image/palette.js';
import sharp from '../../image/sharp.js';
import { findNetwork } from '../../nets/catalogue.js';
import { networkGraph } from '../../nets/network.js';
import { defaultModel } from '../../segment/default-model.js';
import { longestWait, median, networkAlone, secondsOf, seenSize, timeFolder } from '../../segment/measure.js';
import { loadModel } from '../../segment/model.js';
import { Segmenter } from '../../segment/segmenter.js';
import { initialize } from '../../train/initialize.js';
import { writeModel } from '../../weights/model.js';
import { expandInputs } from '../inputs.js';
import { command, commonOptions, oneOf, type Parsed, sizeOption, text, whole } from '../options.js';
import { percent, print, say, status, table } from '../output.js';
import { pythonWithTorch, TorchPeer } from '../torch-peer.js';

const options = {
  model: { flags: '-m, --model <id|file>', description: `what to measure (default: ${defaultModel})`, schema: text },
  network: {
    flags: '--network <name>',
    description: 'a network of the catalogue with random weights instead',
    schema: text,
  },
  size: {
    flags: '--size <HxW>',
    description: 'of the picture that is made where none is named (default: 375x500)',
    schema: sizeOption,
  },
  device: {
    flags: '--device <cpu|webgpu|cuda|auto>',
    description: 'what the network runs on (default: cpu)',
    schema: oneOf(devices),
  },
  threads: { flags: '--threads <n>', description: 'processor threads, of PyTorch too (default: all)', schema: whole },
  runs: { flags: '--runs <n>', description: 'measurements of each kind; medians are told (default: 5)', schema: whole },
  python: {
    flags: '--python <file>',
    description: 'a Python with PyTorch (default: PIXELWISE_PYTHON, or the one on the PATH if it has PyTorch)',
    schema: text,
  },
  peer: { flags: '--no-peer', description: 'do not look for PyTorch', schema: { safeParse: flagged } },
  json: commonOptions.json,
};

/** commander's `--no-x`: true unless it is given. */
function flagged(given: unknown) {
  return { success: true as const, data: given !== false };
}

type Options = Parsed<typeof options>;

/** Copies of a single picture that make a folder. */
const copies = 48;
const warmups = 2;
/** How long the timer is watched while nothing runs: others on the machine make it wait too. */
const idleMs = 3000;

/** A photograph's size and noise: JPEG is as slow as it is full of detail. */
async function madePicture(file: string, [height, width]: readonly [number, number]): Promise<void> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const create = { width, height, channels: 3, background: '#808080', noise } as const;
  await sharp({ create }).blur(1.5).jpeg({ quality: 90 }).toFile(file);
}

/** Kernels as He et al. draw them: numbers that shrink from layer to layer would end among the slow ones next to zero. */
function steady({ init, value, ...p }: Parameter): Parameter {
  const fan = value.shape.slice(1).reduce((n, d) => n * d, 1);
  const isDrawn = init.kind === 'normal' || init.kind === 'uniform';
  return { ...p, value, init: isDrawn && fan > 1 ? { kind: 'uniform', bound: Math.sqrt(6 / fan) } : init };
}

/** A model file of a network with random weights. */
async function madeModel(name: string, file: string): Promise<void> {
  const network = findNetwork(name);
  if (network.modalities) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${name} reads more than a color picture, which is all that the bench makes.`,
      {
        subject: name,
      },
    );
  }
  const { classes, preprocessing, inputSize } = network;
  const graph = networkGraph(network, { size: inputSize, classes, auxiliary: false });
  const description = {
    version: 1 as const,
    network: name,
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    palette: vocPalette(classes),
    preprocessing,
    longSide: 500,
  };
  await writeFileAtomic(file, writeModel(description, initialize(graph.parameters.map(steady), 1)));
}

/** The installed command, or where it is not built the separate files. */
const entry = (): string => {
  const bundled = fileURLToPath(new URL('../start.cjs', import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL('../main.js', import.meta.url));
};

function coldSeconds(photo: string, out: string, model: string, o: Options, longSide: number): number {
  const words = ['segment', photo, '-o', out, '--model', model, '--long-side', String(longSide)];
  if (o.device !== undefined) words.push('--device', o.device);
  if (o.threads !== undefined) words.push('--threads', String(o.threads));
  const began = performance.now();
  const { status: code, stderr } = spawnSync(process.execPath, [entry(), ...words], { encoding: 'utf8' });
  if (code === 0) return (performance.now() - began) / 1000;
  throw new PixelwiseError('ERR_ENGINE', `'pixelwise segment' ended with code ${code}: ${stderr.trim()}`);
}

const ms = (seconds: number): string => `${(1000 * seconds).toFixed(seconds < 0.1 ? 1 : 0)} ms`;

async function measure(words: readonly string[], o: Options, folder: string) {
  const runs = o.runs ?? 5;
  const out = join(folder, 'out');
  let files =
    words.length > 0
      ? (await expandInputs(words, out)).map(({ path, error }) => {
          if (error) throw error;
          return path;
        })
      : [];
  let photo = files[0];
  if (photo === undefined) {
    photo = join(folder, 'photo.jpg');
    await madePicture(photo, o.size ?? [375, 500]);
  }
  if (files.length < 2) {
    files = Array.from({ length: copies }, (_, i) => join(folder, `${i}.jpg`));
    for (const file of files) await copyFile(photo, file);
  }
  let model = o.model ?? defaultModel;
  if (o.network !== undefined) {
    model = join(folder, 'model.safetensors');
    await madeModel(o.network, model);
  }

  const loaded = await loadModel(model);
  const picture = await readPicture(photo);
  // A picture of the size that was asked for is seen at that size.
  const longSide = o.size ? Math.max(...o.size) : loaded.description.longSide;
  const cold: number[] = [];
  for (let i = 0; i < runs; i++) {
    status(`cold ${i + 1}/${runs}`);
    cold.push(coldSeconds(photo, out, model, o, longSide));
  }

  await using engine = createNodeEngine({
    keptIn: keptGraphs(),
    ...(o.threads && { threads: o.threads }),
    ...(o.device && { device: o.device }),
  });
  const device = await engine.start();
  await using segmenter = await Segmenter.load({ engine, model, longSide });
  const size = seenSize(loaded, picture, longSide);
  const network = await networkAlone(engine, loaded, size);
  const mask = join(folder, 'mask.png');
  const ways = {
    network: network.run,
    labels: () => segmenter.segment(picture),
    mask: () => segmenter.segmentToFiles(photo, { mask }),
    files: () => segmenter.segmentToFiles(photo, { mask, overlay: join(folder, 'overlay.png') }),
  };
  const times = { network: [] as number[], labels: [] as number[], mask: [] as number[], files: [] as number[] };
  const idleWait = await longestWait(() => sleep(idleMs));
  // In turn: a machine that others use changes its speed.
  const wait = await longestWait(async () => {
    for (let i = 0; i < warmups + runs; i++) {
      status(`warm ${i + 1}/${warmups + runs}`);
      for (const way of ['network', 'labels', 'mask', 'files'] as const) {
        const seconds = await secondsOf(ways[way]);
        if (i >= warmups) times[way].push(seconds);
      }
    }
  });
  await network.dispose();
  status(`${files.length} pictures`);
  const result = (i: number) => join(folder, `result-${i}`);
  const { threads } = engine;
  await using lanes = createNodeEngine({
    threads,
    lanes: threads,
    keptIn: keptGraphs(),
    ...(o.device && { device: o.device }),
  });
  await using many = await Segmenter.load({ engine: lanes, model, longSide });
  const throughput = await timeFolder(engine, loaded, many, files, result, longSide);
  const memory = 1024 * process.resourceUsage().maxRSS;
  const peer = await peerTimes(
    o,
    loaded.description.network,
    loaded.description.classes.length,
    size,
    engine.threads,
    runs,
    ways.labels,
  );
  const pairs = (a: readonly number[], b: readonly number[]) => median(a.map((v, i) => v / b[i]!));
  return {
    model: o.network === undefined ? model : `${o.network} (random weights)`,
    device,
    threads: engine.threads,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.version,
    picture: [picture.height, picture.width],
    seen: size,
    seconds: {
      cold: median(cold),
      files: median(times.files),
      mask: median(times.mask),
      labels: median(times.labels),
      network: median(times.network),
    },
    around: pairs(times.mask, times.network) - 1,
    folder: {
      pictures: throughput.pictures,
      perSecond: throughput.pictures / throughput.seconds,
      ofNetwork: throughput.networkSeconds / throughput.seconds,
    },
    longestTimerWaitMs: wait,
    longestIdleTimerWaitMs: idleWait,
    memoryBytes: memory,
    ...peer,
  };
}

type PeerResult =
  | { readonly peer: { readonly version: string; readonly seconds: number; readonly ratio: number } }
  | { readonly peer: { readonly missing: string } };

async function peerTimes(
  o: Options,
  name: string,
  classes: number,
  size: readonly [number, number],
  threads: number,
  runs: number,
  ours: () => Promise<unknown>,
): Promise<PeerResult> {
  if (!o.peer) return { peer: { missing: 'not asked for' } };
  const python = pythonWithTorch(o.python ?? process.env.PIXELWISE_PYTHON);
  if (python === undefined) return { peer: { missing: 'no Python with PyTorch was found; name one with --python' } };
  const peer = new TorchPeer(python, networkGraph(findNetwork(name), { size, classes, auxiliary: false }), threads);
  try {
    const { version, error } = await peer.greeting();
    if (version === undefined) return { peer: { missing: error ?? 'it does not answer' } };
    const times: { ours: number; theirs: number }[] = [];
    for (let i = 0; i < warmups + runs; i++) {
      status(`${version} ${i + 1}/${warmups + runs}`);
      const theirs = await peer.seconds();
      if (theirs === undefined) return { peer: { missing: 'it ended early' } };
      const seconds = await secondsOf(ours);
      if (i >= warmups) times.push({ ours: seconds, theirs });
    }
    return {
      peer: {
        version,
        seconds: median(times.map((t) => t.theirs)),
        ratio: median(times.map((t) => t.theirs / t.ours)),
      },
    };
  } finally {
    peer.end();
  }
}

function show(r: Awaited<ReturnType<typeof measure>>): void {
  const { seconds: s, peer } = r;
  print(`${r.model} on ${r.device}, ${r.threads} threads, ${r.processor}, Node ${r.node}`);
  print(`picture ${r.picture.join(' x ')}, seen by the network at ${r.seen.join(' x ')} (height x width)\n`);
  print(
    table([
      ['what', 'median'],
      ['cold: a new process, file to mask and overlay', ms(s.cold)],
      ['warm: file to mask and overlay', ms(s.files)],
      ['warm: file to mask', ms(s.mask)],
      ['warm: pixels to labels', ms(s.labels)],
      ['the network alone', ms(s.network)],
      ['around the network, file to mask', percent(r.around)],
      [`${r.folder.pictures} pictures, per second`, r.folder.perSecond.toFixed(1)],
      ['of what the network alone would allow', percent(r.folder.ofNetwork)],
      ['longest wait of a 5 ms timer', `${r.longestTimerWaitMs.toFixed(0)} ms`],
      ['the same while nothing runs', `${r.longestIdleTimerWaitMs.toFixed(0)} ms`],
      ['largest resident memory', `${(r.memoryBytes / 1e6).toFixed(0)} MB`],
      ...('version' in peer
        ? [
            [`${peer.version} eager, float32, tensor to labels`, ms(peer.seconds)],
            ['PyTorch / pixelwise (pixels to labels)', peer.ratio.toFixed(2)],
          ]
        : []),
    ]),
  );
  if ('missing' in peer && peer.missing !== 'not asked for') say(`\nWithout PyTorch: ${peer.missing}.`);
}

export const benchCommand = command({
  name: 'bench',
  arguments: '[picture...]',
  summary: 'how fast a model is on this machine, and PyTorch beside it if it is there',
  examples: [
    'pixelwise bench',
    'pixelwise bench photos --model mine.safetensors',
    'pixelwise bench --network fcn-resnet50 --size 520x520 --threads 2 --python venv/bin/python',
  ],
  options,
  async run(words, o) {
    if (o.model !== undefined && o.network !== undefined) {
      throw new PixelwiseError('ERR_USAGE', '--model and --network both say what to measure. Give one of the two.');
    }
    if (o.size !== undefined && words.length > 0) {
      throw new PixelwiseError('ERR_USAGE', '--size is of the picture that is made where none is named. Leave it out.');
    }
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-bench-'));
    try {
      const result = await measure(words, o, folder);
      if (o.json) print(JSON.stringify(result));
      else show(result);
      return 0;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});
