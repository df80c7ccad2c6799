/** @file `pixelwise segment`: masks and overlays of pictures. */

import { basename, dirname, extname, join } from 'node:path';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { defaultModel } from '../../segment/default-model.js';
import type { Segmentation } from '../../segment/segmentation.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, share, text, whole } from '../options.js';
import { bar, errorJson, errorText, percent, print, say, status } from '../output.js';

/** Where the results of each input go; two inputs may not share a place. */
function outputStems(inputs: readonly string[], folder: string | undefined): string[] {
  const stems = inputs.map((f) => join(folder ?? dirname(f), basename(f, extname(f))));
  const taken = new Map<string, string>();
  stems.forEach((stem, i) => {
    const other = taken.get(stem);
    if (other !== undefined && other !== inputs[i]) {
      throw new PixelwiseError(
        'ERR_USAGE',
        `'${other}' and '${inputs[i]}' would both be written to '${stem}.mask.png'. Give them different names, or run them with different -o folders.`,
      );
    }
    taken.set(stem, inputs[i]!);
  });
  return stems;
}

function report(
  input: string,
  result: Segmentation,
  files: { mask: string; overlay: string },
  seconds: number,
): string {
  const lines = result.classes.map(
    (c) => `  ${percent(c.share).padStart(7)}  ${c.name.padEnd(12)} ${bar(c.share, c.color)}`,
  );
  return [
    `${input}  ${result.width} x ${result.height}  ${(1000 * seconds).toFixed(0)} ms`,
    ...lines,
    `  mask     ${files.mask}`,
    `  overlay  ${files.overlay}`,
  ].join('\n');
}

function asJson(input: string, result: Segmentation, files: { mask: string; overlay: string }, model: string): string {
  const { width, height } = result;
  const classes = result.classes.map(({ id, name, pixels, share }) => ({ id, name, pixels, share }));
  return JSON.stringify({ input, width, height, model, classes, ...files });
}

export const segment = command({
  name: 'segment',
  arguments: '<image...>',
  summary: 'give every pixel of pictures a class: NAME.mask.png and NAME.overlay.png',
  examples: [
    'pixelwise segment photo.jpg',
    'pixelwise segment photo.jpg --crf',
    'pixelwise segment photos/*.jpg -o masks --json',
  ],
  options: {
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
    longSide: {
      flags: '--long-side <pixels>',
      description: 'reduce larger pictures to this long side before the network sees them',
      schema: whole,
    },
    crf: {
      flags: '--crf [settings]',
      description: 'refine with a fully connected CRF: a preset, or w1=4,sa=121,sb=5,... (see pixelwise crf --help)',
      schema: text,
    },
    threads: { flags: '--threads <n>', description: 'processor threads (default: all)', schema: whole },
    maxPixels: { flags: '--max-pixels <n>', description: 'refuse pictures with more pixels', schema: whole },
    opacity: {
      flags: '--opacity <0..1>',
      description: 'how strongly the overlay is tinted',
      schema: share(0.55),
    },
    json: { flags: '--json', description: 'print one JSON object per picture', schema: flag },
  },
  async run(inputs, o) {
    const stems = outputStems(inputs, o.out);
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    const { model, threads, longSide, maxPixels, crf } = o;
    let [succeeded, failed] = [0, 0];
    if (o.out !== undefined) await makeFolder(o.out);
    // The engine's thread loads ONNX Runtime while this one loads the rest: a fifth of the time to the first mask.
    await using engine = createNodeEngine(threads === undefined ? {} : { threads });
    const { Segmenter } = await import('../../segment/segmenter.js');
    await using segmenter = await Segmenter.load({
      engine,
      ...(model !== undefined && { model }),
      ...(longSide !== undefined && { longSide }),
      ...(crf !== undefined && { crf }),
      ...(threads !== undefined && { threads }),
    });
    for (const [i, input] of inputs.entries()) {
      if (signal.aborted) break;
      status(`${i + 1}/${inputs.length}  ${input}`);
      try {
        const began = performance.now();
        const result = await segmenter.segment(input, { signal, ...(maxPixels !== undefined && { maxPixels }) });
        const seconds = (performance.now() - began) / 1000;
        const files = { mask: `${stems[i]}.mask.png`, overlay: `${stems[i]}.overlay.png` };
        // The overlay is compressed on another thread while this one packs the mask.
        const painted = result.overlay({ opacity: o.opacity }).then((png) => writeFileAtomic(files.overlay, png));
        await Promise.all([painted, writeFileAtomic(files.mask, result.toPNG())]);
        print(o.json ? asJson(input, result, files, segmenter.model.network) : report(input, result, files, seconds));
        succeeded++;
      } catch (error) {
        if (signal.aborted) break;
        failed++;
        say(`${input}: ${errorText(error)}`);
        if (o.json) print(JSON.stringify({ input, error: errorJson(error) }));
      }
    }
    if (signal.aborted) {
      say(`Interrupted: ${succeeded} of ${inputs.length} pictures are done.`);
      return interruptedCode;
    }
    if (failed > 0 && inputs.length > 1) say(`${failed} of ${inputs.length} pictures failed; the others are done.`);
    return failed > 0 ? 1 : 0;
  },
});
