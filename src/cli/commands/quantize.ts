/** @file `pixelwise quantize`: a model whose convolutions compute on whole numbers, compared with the original before it is written. */

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { openDataset } from '../../data/dataset.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { loadModel } from '../../segment/model.js';
import { type QuantizedModel, quantizeModel } from '../../segment/quantize/quantize-model.js';
import { calibrationMethods } from '../../surgery/quantize/ranges.js';
import { writeModel } from '../../weights/model.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, commonOptions, flag, share, text, whole } from '../options.js';
import { percent, print, say, status, table } from '../output.js';

/** Layers that are shown with what they cost. */
const shown = 5;

function report({ before, after, kept, layers }: QuantizedModel): string {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const milliseconds = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
  const points = `${(100 * (after.meanIU - before.meanIU)).toFixed(2)} points`;
  return [
    table([
      ['', 'float32', 'int8', ''],
      ['mean IU', percent(before.meanIU, 2), percent(after.meanIU, 2), points],
      ['weights', megabytes(before.bytes), megabytes(after.bytes), `1/${(before.bytes / after.bytes).toFixed(2)}`],
      [
        'time per picture',
        milliseconds(before.seconds),
        milliseconds(after.seconds),
        `1/${(before.seconds / after.seconds).toFixed(2)}`,
      ],
    ]),
    '',
    `in float32: ${kept.length === 0 ? 'no convolution' : kept.join(', ')}`,
    ...(layers.length === 0
      ? []
      : [
          'labels that a layer changes alone:',
          table(layers.slice(0, shown).map((l) => [percent(l.changed, 3), l.layer])),
        ]),
  ].join('\n');
}

export const quantizeCommand = command({
  name: 'quantize',
  arguments: '<model>',
  summary: 'make a model smaller and faster: convolutions on whole numbers, scored before and after',
  examples: [
    'pixelwise quantize runs/voc/model.safetensors --data voc:VOC2012',
    'pixelwise quantize fcn-resnet50 --data voc:VOC2012 --method entropy --max-drop 0.01 -o small.safetensors',
  ],
  options: {
    data: {
      flags: '--data <kind:path>',
      description: 'the data set to calibrate and to score on',
      schema: z.string({ error: 'Expected --data KIND:PATH, such as voc:VOC2012.' }),
    },
    out: { flags: '-o, --out <file>', description: 'the model file (default: NAME-int8.safetensors)', schema: text },
    maxDrop: {
      flags: '--max-drop <share>',
      description: 'mean IU that may be lost, 0 to 1; a model that loses more is not written',
      schema: share(0.005),
    },
    method: {
      flags: '--method <name>',
      description: 'how ranges are found: minmax, percentile or entropy',
      schema: z.enum(calibrationMethods).default('percentile'),
    },
    samples: { flags: '--samples <n>', description: 'pictures to calibrate on (default: 64)', schema: whole },
    split: { flags: '--split <name>', description: 'the split to score on', schema: z.string().default('val') },
    calibrateOn: {
      flags: '--calibrate-on <name>',
      description: 'the split to calibrate on',
      schema: z.string().default('train'),
    },
    force: { flags: '--force', description: 'write over an existing file', schema: flag },
    threads: commonOptions.threads,
    json: commonOptions.json,
  },
  async run([model = ''], o) {
    const out = o.out ?? `${model.replace(/^.*[\\/]|\.\w+$/g, '')}-int8.safetensors`;
    // Loading refuses files of another ending only when it is too late.
    if (!/\.safetensors$/i.test(out)) {
      throw new PixelwiseError('ERR_USAGE', `Expected a file that ends in .safetensors, received '${out}'.`, {
        subject: out,
      });
    }
    if (!o.force && (await stat(out).catch(() => undefined))) {
      throw new PixelwiseError(
        'ERR_USAGE',
        `'${out}' exists. Name another file with -o, or write over it with --force.`,
        { subject: out },
      );
    }
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    const loaded = await loadModel(model);
    // A place that cannot be written should be known before the minutes that scoring takes.
    await makeFolder(dirname(out));
    const scoring = await openDataset(o.data, o.split);
    const calibration = await openDataset(o.data, o.calibrateOn);
    await using engine = createNodeEngine(o.threads === undefined ? {} : { threads: o.threads });
    try {
      const made = await quantizeModel(loaded, calibration, scoring, {
        engine,
        signal,
        method: o.method,
        maxDrop: o.maxDrop,
        ...(o.samples !== undefined && { samples: o.samples }),
        onProgress: (what, n, of) => status(`${what} ${n}/${of}`),
      });
      await writeFileAtomic(out, writeModel(made.description, made.tensors));
      const { before, after, kept, layers } = made;
      print(o.json ? JSON.stringify({ file: out, before, after, kept, layers }) : report(made));
      if (!o.json) say(`written: ${out}`);
      return 0;
    } catch (error) {
      if (!signal.aborted) throw error;
      say('Interrupted: nothing was written.');
      return interruptedCode;
    }
  },
});
