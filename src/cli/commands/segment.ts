/** @file `pixelwise segment`: masks and overlays of pictures, folders, streams and videos. */

import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import { keptGraphs } from '../../catalogue/cache-folder.js';
import { devices } from '../../engine/engine.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { defaultModel } from '../../segment/default-model.js';
import type { Segmenter, SegmentOptions } from '../../segment/segmenter.js';
import { isPattern } from '../glob.js';
import { expandInputs, filesBelow, sameResult } from '../inputs.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import {
  command,
  commonOptions,
  flag,
  numbers,
  oneOf,
  type Parsed,
  type Schema,
  share,
  text,
  whole,
} from '../options.js';
import { say } from '../output.js';
import { type FilesOptions, segmentFiles } from '../segment-files.js';

/** `auto`, or the side of a tile. */
const tileSide: Schema<number | 'auto' | undefined> = {
  safeParse(given) {
    if (given === undefined || given === 'auto') return { success: true, data: given };
    const read = whole.safeParse(given);
    return read.success
      ? read
      : { success: false, error: { issues: [{ message: "Expected a side in pixels, or 'auto'." }] } };
  },
};

const options = {
  out: {
    flags: '-o, --out <dir>',
    description: 'folder for the results (default: beside each picture)',
    schema: text,
  },
  model: {
    flags: '-m, --model <id|file>',
    description: `a shipped model or a model file (default: ${defaultModel})`,
    schema: text,
  },
  longSide: commonOptions.longSide,
  preset: {
    flags: '--preset <name>',
    description: 'fast: 256 pixels; fine: seen at three sizes and mirrored (default: as the model says)',
    schema: oneOf(['fast', 'fine']),
  },
  tile: {
    flags: '--tile <pixels|auto>',
    description: 'see pictures at their full size, in tiles of this side',
    schema: tileSide,
  },
  scales: {
    flags: '--scales <list>',
    description: 'see every picture at these multiples of its size and average, such as 0.5,0.75,1,1.25',
    schema: numbers,
  },
  flip: { flags: '--flip', description: 'see every picture mirrored too, and average', schema: flag },
  watch: {
    flags: '--watch',
    description: 'wait for further pictures in the folder that is named, until Ctrl-C',
    schema: flag,
  },
  video: {
    flags: '--video <file>',
    description: 'the only argument is a video; write it tinted by class to this file (needs ffmpeg)',
    schema: text,
  },
  smooth: {
    flags: '--smooth <0..1>',
    description: 'with --video: the share that the frames before keep in what is seen now',
    schema: share(0),
  },
  crf: {
    flags: '--crf [settings]',
    description: 'refine with a fully connected CRF: a preset, or w1=4,sa=121,sb=5,... (see pixelwise crf --help)',
    schema: text,
  },
  device: {
    flags: '--device <cpu|webgpu|cuda|auto>',
    description: 'what the network runs on; auto takes the fastest that starts, and says which (default: cpu)',
    schema: oneOf(devices),
  },
  threads: commonOptions.threads,
  maxPixels: commonOptions.maxPixels,
  head: {
    flags: '--head <name>',
    description: 'of a network with several heads the one that labels, such as geometric (default: the first)',
    schema: text,
  },
  depth: {
    flags: '--depth <file>',
    description: 'of one picture, for networks that read it: a grey PNG of 16 bits, in millimetres',
    schema: text,
  },
  hha: {
    flags: '--hha <file>',
    description: 'of one picture, for networks that read it: HHA as a picture',
    schema: text,
  },
  opacity: { flags: '--opacity <0..1>', description: 'how strongly the overlay is tinted', schema: share(0.55) },
  json: { flags: '--json', description: 'print one JSON object per picture', schema: flag },
};

type Options = Parsed<typeof options>;

/** Combinations that cannot be meant; each says why. */
const refusals: readonly (readonly [when: (words: readonly string[], o: Options) => boolean, why: string])[] = [
  [
    (_, o) => o.watch && o.video !== undefined,
    '--watch waits for pictures, --video reads one file. Give one of the two.',
  ],
  [(words, o) => o.watch && words.length !== 1, '--watch takes one folder. Name it: pixelwise segment photos --watch'],
  [
    (words, o) => o.video !== undefined && words.length !== 1,
    '--video takes one video: pixelwise segment in.mp4 --video out.mp4',
  ],
  [(_, o) => o.video !== undefined && o.tile !== undefined, '--video sees every frame as a whole. Leave out --tile.'],
  [
    (words, o) => (o.depth ?? o.hha) !== undefined && (words.length !== 1 || o.watch || o.video !== undefined),
    '--depth and --hha belong to one picture. Name that picture alone.',
  ],
  [
    (_, o) => o.tile !== undefined && o.crf !== undefined,
    '--tile sees a piece of the picture at a time, a CRF all of it at once. Leave out --crf, or --tile: then larger pictures ' +
      'are refined at 2 megapixels.',
  ],
  [
    (_, o) => o.tile !== undefined && o.longSide !== undefined,
    '--tile sees pictures at their full size, --long-side reduces them. Leave out --long-side, or --tile.',
  ],
  [(_, o) => o.smooth === 1, '--smooth 1 would keep the first frame for ever. Expected less than 1.'],
  [
    (words, o) => words.includes('-') && (words.length > 1 || o.watch || o.video !== undefined),
    "'-' is one picture from the standard input. Leave out the other words, --watch and --video.",
  ],
  [
    (words, o) => words[0] === '-' && o.json && o.out === undefined,
    "'-' writes the mask to the standard output, where --json would go too. Name a folder for the mask with -o.",
  ],
];

/** Command line words as the library's options. */
function segmenting({ tile, scales, flip, maxPixels, depth, hha }: Options): SegmentOptions {
  return {
    ...(flip && { flip }),
    ...(tile !== undefined && { tile }),
    ...(scales && { scales }),
    ...(maxPixels !== undefined && { maxPixels }),
    ...(depth !== undefined && { depth }),
    ...(hha !== undefined && { hha }),
  };
}

/** Whether words name more than one picture: then several go through the network at a time. */
function areMany(words: readonly string[]): boolean {
  const [first = ''] = words;
  return words.length > 1 || isPattern(first) || (statSync(first, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

interface Work {
  readonly words: readonly string[];
  readonly o: Options;
  readonly segmenter: Segmenter;
  readonly files: FilesOptions;
  readonly signal: AbortSignal;
}

async function pictures({ words, o, files, signal }: Work): Promise<number> {
  const inputs = await expandInputs(words, o.out);
  if ((o.depth ?? o.hha) !== undefined && inputs.length !== 1) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `--depth and --hha belong to one picture, and '${words[0]}' is ${inputs.length}.`,
    );
  }
  const { succeeded, failed } = await segmentFiles(inputs, inputs.length, files);
  if (signal.aborted) {
    say(`Interrupted: ${succeeded} of ${inputs.length} pictures are done.`);
    return interruptedCode;
  }
  if (failed > 0 && inputs.length > 1) say(`${failed} of ${inputs.length} pictures failed; the others are done.`);
  return failed > 0 ? 1 : 0;
}

async function watching({ words, o, files, signal }: Work): Promise<number> {
  const { picturesAppearing } = await import('../watch.js');
  const [folder = ''] = words;
  // A folder that is not there is an error now; one that goes away later is one then.
  await filesBelow(folder);
  const stemOf = (path: string) => join(o.out ?? folder, path.slice(0, path.length - extname(path).length));
  async function* appearing() {
    for await (const { path, other } of picturesAppearing(folder, (p) => `${stemOf(p)}.mask.png`, signal)) {
      const input = { path: join(folder, path), stem: stemOf(path) };
      yield other === undefined ? input : { ...input, error: sameResult(join(folder, other), input.path, input.stem) };
    }
  }
  say(`Watching ${folder}; Ctrl-C ends it.`);
  const { succeeded, failed } = await segmentFiles(appearing(), undefined, files);
  say(`Interrupted: ${succeeded} pictures are done${failed > 0 ? `, ${failed} failed` : ''}.`);
  return interruptedCode;
}

async function stream({ o, segmenter, files, signal }: Work): Promise<number> {
  const { segmentStream } = await import('../segment-stream.js');
  return segmentStream(segmenter, o.out, { ...files, signal });
}

async function video({ words, o, segmenter, signal }: Work): Promise<number> {
  const { segmentVideo } = await import('../segment-video.js');
  const views = { ...(o.flip && { flip: true }), ...(o.scales && { scales: o.scales }) };
  return segmentVideo(segmenter, words[0]!, o.video!, { ...views, smoothing: o.smooth, opacity: o.opacity, signal });
}

export const segment = command({
  name: 'segment',
  arguments: '<image...>',
  summary: 'give every pixel of pictures a class: NAME.mask.png and NAME.overlay.png',
  examples: [
    'pixelwise segment photo.jpg',
    'pixelwise segment photo.jpg --preset fine --crf',
    'pixelwise segment photos -o masks --json',
    'pixelwise segment huge.tif --tile auto',
    'pixelwise segment - < photo.jpg > mask.png',
    'pixelwise segment in.mp4 --video out.mp4 --smooth 0.6',
  ],
  options,
  async run(words, o) {
    const refusal = refusals.find(([when]) => when(words, o));
    if (refusal) throw new PixelwiseError('ERR_USAGE', refusal[1]);
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    const { model, threads, longSide, preset, crf, head, device } = o;
    if (o.out !== undefined) await makeFolder(o.out);
    // The engine's thread loads ONNX Runtime while this one loads the rest: a fifth of the time to the first mask.
    await using engine = createNodeEngine({
      keptIn: keptGraphs(),
      ...(threads !== undefined && { threads }),
      ...(device && { device }),
      ...((o.video !== undefined || areMany(words)) && { lanes: threads ?? availableParallelism() }),
    });
    if (device !== undefined && device !== 'cpu') {
      const found = await engine.start();
      if (device === 'auto') say(`The fastest device that starts here is ${found}.`);
    }
    const { Segmenter } = await import('../../segment/segmenter.js');
    await using segmenter = await Segmenter.load({
      engine,
      ...(model !== undefined && { model }),
      ...(longSide !== undefined && { longSide }),
      ...(preset !== undefined && { preset }),
      ...(crf !== undefined && { crf }),
      ...(threads !== undefined && { threads }),
      ...(head !== undefined && { head }),
    });
    const files: FilesOptions = { segmenter, segmenting: segmenting(o), opacity: o.opacity, json: o.json, signal };
    const work: Work = { words, o, segmenter, files, signal };
    const way = words[0] === '-' ? stream : o.video !== undefined ? video : o.watch ? watching : pictures;
    // Awaited here: what is used is closed only then.
    return await way(work);
  },
});
