/** @file `pixelwise crf`: the fully connected CRF on scores or masks of any tool. */

import { basename, dirname, extname, join } from 'node:path';
import { kernelsOf, parseCrfSettings, presets } from '../../crf/presets.js';
import type { Unary } from '../../crf/problem.js';
import { DenseCrf } from '../../crf-node/index.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, readBytes, writeFileAtomic } from '../../files.js';
import { formatShape, toFloat32 } from '../../graph/tensor.js';
import { readPicture } from '../../image/decode.js';
import { encodeLabelMap, readLabelMap } from '../../image/index-png.js';
import { vocPalette } from '../../image/palette.js';
import type { Picture } from '../../image/picture.js';
import { readNpy } from '../../weights/npy.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, share, text, whole } from '../options.js';
import { percent, print, say, status } from '../output.js';

interface Evidence {
  readonly classes: number;
  readonly unary: Unary;
}

/** Scores [classes, height, width], or with a batch axis of one. */
async function readScores(
  file: string,
  picture: Picture,
  image: string,
  kind: 'scores' | 'probabilities',
): Promise<Evidence> {
  const tensor = readNpy(await readBytes(file), file).get('array')!;
  const { shape } = tensor;
  const [classes = 0, height, width] = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  if (shape.length < 3 || shape.length > 4 || (shape.length === 4 && shape[0] !== 1)) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `'${file}' holds an array ${formatShape(shape)}. Expected scores [classes, height, width].`,
      { subject: file },
    );
  }
  if (height !== picture.height || width !== picture.width) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Scores and picture differ in size: '${file}' is ${width} x ${height} with ${classes} classes (array ${formatShape(shape)}), ` +
        `'${image}' is ${picture.width} x ${picture.height}. Resize the scores to the picture, axes [classes, height, width].`,
      { subject: file },
    );
  }
  return { classes, unary: { kind, data: toFloat32(tensor).data } };
}

async function readMask(
  file: string,
  picture: Picture,
  image: string,
  confidence: number,
  given: number | undefined,
): Promise<Evidence> {
  const mask = await readLabelMap(file);
  if (mask.width !== picture.width || mask.height !== picture.height) {
    throw new PixelwiseError(
      'ERR_MASK',
      `Mask and picture differ in size: '${file}' is ${mask.width} x ${mask.height}, '${image}' is ${picture.width} x ${picture.height}. Export the mask at the picture's size.`,
      { subject: file },
    );
  }
  const highest = mask.data.reduce((most, label) => (label === 255 ? most : Math.max(most, label)), 0);
  return { classes: given ?? Math.max(2, highest + 1), unary: { kind: 'labels', data: mask.data, confidence } };
}

type Given = Readonly<Record<string, unknown>>;

/** Options that say nothing where others stand, and what they go with. A default cannot be told from what was given. */
const companions: readonly (readonly [
  names: readonly string[],
  absent: (o: Given, search: boolean) => boolean,
  what: string,
])[] = [
  [['data', 'split', 'model', 'images', 'grid'], (_, search) => !search, 'pixelwise crf search'],
  [['scores', 'mask', 'fast'], (_, search) => search, 'one picture, not with a search'],
  [['classes'], (o, search) => search || o.mask === undefined, '--mask'],
  [['probabilities'], (o, search) => search || o.scores === undefined, '--scores'],
];

function checkCompanions(o: Given, search: boolean): void {
  for (const [names, absent, what] of companions) {
    const name = names.find((n) => o[n] !== undefined && o[n] !== false);
    if (name === undefined || !absent(o, search)) continue;
    throw new PixelwiseError('ERR_USAGE', `--${name} goes with ${what}. Leave it out.`);
  }
}

/** What the CRF says of numbers, with the file that they are from. */
function ofFile(error: unknown, file: string): unknown {
  if (!(error instanceof PixelwiseError) || error.subject !== undefined) return error;
  return new PixelwiseError(error.code, `'${file}': ${error.message}`, { subject: file, cause: error });
}

/** Preset, then single settings over it. */
const settingsText = (preset: string | undefined, set: string | undefined): string =>
  [preset, set].filter(Boolean).join(',');

export const crfCommand = command({
  name: 'crf',
  arguments: '<image>',
  summary: 'refine scores or a mask with a fully connected CRF (index PNG), or `search` for its parameters',
  examples: [
    'pixelwise crf photo.jpg --scores scores.npy --preset deeplab-largefov',
    'pixelwise crf photo.jpg --scores scores.npy --set w1=5,sa=50,sb=10 -o refined.png',
    'pixelwise crf photo.jpg --mask labels.png --confidence 0.9',
    'pixelwise crf search --data voc:VOC2012 --split train --images 100',
  ],
  options: {
    scores: {
      flags: '--scores <file.npy>',
      description: 'scores before the softmax, [classes, height, width] at the size of the picture',
      schema: text,
    },
    probabilities: { flags: '--probabilities', description: 'the file holds probabilities instead', schema: flag },
    mask: { flags: '--mask <labels.png>', description: 'an index PNG instead of scores; 255 is unsure', schema: text },
    confidence: { flags: '--confidence <0..1>', description: 'how sure the mask is', schema: share(0.9) },
    classes: {
      flags: '--classes <n>',
      description: 'classes of the mask (default: up to its highest label)',
      schema: whole,
    },
    preset: { flags: '--preset <name>', description: `parameters: ${Object.keys(presets).join(', ')}`, schema: text },
    set: {
      flags: '--set <settings>',
      description: 'w1, sa, sb (bilateral), w2, sg (spatial), iterations, normalization=after|symmetric|none',
      schema: text,
    },
    out: {
      flags: '-o, --out <path>',
      description:
        'the result (default: NAME.crf.png beside the picture); search: its folder (default: runs/crf-search)',
      schema: text,
    },
    fast: { flags: '--fast', description: 'leave probabilities below 1e-3 out', schema: flag },
    threads: { flags: '--threads <n>', description: 'threads (default: two)', schema: whole },
    data: { flags: '--data <kind:path>', description: 'search: the data set, voc:PATH or camvid:PATH', schema: text },
    split: { flags: '--split <name>', description: 'search: the split (default: train)', schema: text },
    model: { flags: '-m, --model <id|file>', description: 'search: the model', schema: text },
    images: {
      flags: '--images <n>',
      description: 'search: pictures, spread over the split (default: 100)',
      schema: whole,
    },
    grid: {
      flags: '--grid <lists>',
      description: 'search: these points instead of the papers\' grids, such as "w1=0.5,1,2 sa=20,40 sb=5"',
      schema: text,
    },
    json: { flags: '--json', description: 'print one JSON object with every step', schema: flag },
  },
  async run([image = ''], o) {
    const settings = parseCrfSettings(settingsText(o.preset, o.set));
    checkCompanions(o, image === 'search');
    if (image === 'search') return (await import('./crf-search.js')).runCrfSearch(settings, o);
    if ((o.scores === undefined) === (o.mask === undefined)) {
      throw new PixelwiseError(
        'ERR_USAGE',
        'Expected either --scores FILE.npy or --mask LABELS.png: what the CRF starts from.',
      );
    }
    using interrupt = untilInterrupted();
    const picture = await readPicture(image);
    const { classes, unary } =
      o.scores === undefined
        ? await readMask(o.mask!, picture, image, o.confidence, o.classes)
        : await readScores(o.scores, picture, image, o.probabilities ? 'probabilities' : 'scores');
    const { width, height } = picture;
    const { iterations, normalization } = settings;
    const began = performance.now();
    await using crf = await DenseCrf.open(o.threads === undefined ? {} : { threads: o.threads });
    try {
      const problem = { width, height, image: picture, classes, unary, kernels: kernelsOf(settings), normalization };
      const { labels, steps } = await crf.run(problem, {
        iterations,
        fast: o.fast,
        signal: interrupt.signal,
        onStep: (s) => status(`iteration ${s.iteration}/${iterations}  change ${s.change.toExponential(1)}`),
      });
      const out = o.out ?? join(dirname(image), `${basename(image, extname(image))}.crf.png`);
      await makeFolder(dirname(out));
      await writeFileAtomic(out, encodeLabelMap({ width, height, data: labels }, vocPalette()));
      const milliseconds = Math.round(performance.now() - began);
      const changed = changedShare(unary, classes, labels);
      if (o.json)
        print(
          JSON.stringify({
            image,
            out,
            width,
            height,
            classes,
            settings,
            changed,
            milliseconds,
            steps: steps.map(({ iteration, change }) => ({ iteration, change })),
          }),
        );
      else
        print(
          `${image}  ${width} x ${height}, ${classes} classes  ${milliseconds} ms\n  ${percent(changed, 2)} of the labels changed\n  mask     ${out}`,
        );
      return 0;
    } catch (error) {
      if (!interrupt.signal.aborted) throw ofFile(error, o.scores ?? o.mask!);
      say('Interrupted: nothing was written.');
      return interruptedCode;
    }
  },
});

/** Fraction of the pixels whose best label is another one now. */
function changedShare(unary: Unary, classes: number, labels: Uint8Array): number {
  const points = labels.length;
  let changed = 0;
  for (let i = 0; i < points; i++) {
    let best = 0;
    if (unary.kind === 'labels') best = unary.data[i]!;
    else for (let c = 1; c < classes; c++) if (unary.data[c * points + i]! > unary.data[best * points + i]!) best = c;
    if (best !== labels[i]) changed++;
  }
  return changed / points;
}
