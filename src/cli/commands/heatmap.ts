/** @file `pixelwise heatmap`: where pictures look like a class. */

import { basename, dirname, extname, join } from 'node:path';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { defaultModel } from '../../segment/default-model.js';
import type { HeatSource } from '../../segment/heat-source.js';
import { densities, type HeatMap } from '../../segment/heatmap.js';
import { denseTable } from '../dense-table.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, commonOptions, flag, oneOf, type Parsed, share, text, whole } from '../options.js';
import { print, say } from '../output.js';

const options = {
  class: {
    flags: '-c, --class <name|index>',
    description: 'the class: any of its names, or its index',
    schema: text,
  },
  out: { flags: '-o, --out <dir>', description: 'folder for the result (default: beside the picture)', schema: text },
  model: {
    flags: '-m, --model <id|file>',
    description: `a segmentation model (default: ${defaultModel})`,
    schema: text,
  },
  output: { flags: '--output <name>', description: "which of the model's score maps (default: low)", schema: text },
  classifier: {
    flags: '--classifier <name|file>',
    description: 'a classifier instead, made fully convolutional: of the catalogue, pulled, .pth or .onnx',
    schema: text,
  },
  weights: { flags: '--weights <file|name>', description: "the classifier's weights", schema: text },
  preprocessing: {
    flags: '--preprocessing <name>',
    description: "how the classifier's pictures were prepared: torchvision or caffe (default: as its weights tell)",
    schema: oneOf(['torchvision', 'caffe']),
  },
  pooling: {
    flags: '--pooling <how>',
    description: "the mean at the classifier's end: drop it, or slide its window (default: drop)",
    schema: oneOf(['drop', 'slide']),
  },
  dense: {
    flags: '--dense <how>',
    description: `${densities.join(', ')} (default: deconvolved for a model, coarse for a classifier)`,
    schema: oneOf(densities),
  },
  stride: { flags: '--stride <n>', description: 'rarefy, stitch: pixels per cell', schema: whole },
  values: {
    flags: '--values <what>',
    description: 'probability or score (default: score where the mean was dropped)',
    schema: oneOf(['probability', 'score']),
  },
  plan: { flags: '--plan', description: 'print what --stride costs, and stop', schema: flag },
  longSide: commonOptions.longSide,
  opacity: { flags: '--opacity <0..1>', description: 'how strongly the picture is tinted', schema: share(0.65) },
  squares: { flags: '--squares', description: 'show cells as squares instead of blending them', schema: flag },
  jpeg: { flags: '--jpeg', description: 'write a JPEG, which is smaller than a PNG', schema: flag },
  threads: commonOptions.threads,
  maxPixels: commonOptions.maxPixels,
  json: commonOptions.json,
} as const;

async function sourceOf(o: Parsed<typeof options>): Promise<HeatSource> {
  const { classifierSource, modelSource } = await import('../../segment/heat-source.js');
  const given = (names: readonly (keyof typeof options)[]) =>
    names.filter((n) => o[n] !== undefined).map((n) => `--${n}`);
  const foreign = given(o.classifier === undefined ? ['weights', 'preprocessing', 'pooling'] : ['model', 'output']);
  if (foreign.length > 0) {
    throw new PixelwiseError(
      'ERR_USAGE',
      o.classifier === undefined
        ? `${foreign.join(' and ')} only goes with a classifier: name it with --classifier.`
        : `${foreign.join(' and ')} goes with a segmentation model: leave it out, or leave out --classifier.`,
    );
  }
  if (o.classifier === undefined) return modelSource(o.model, o.output);
  const { loadClassifier } = await import('../../segment/classifier.js');
  const { weights, preprocessing } = o;
  const classifier = await loadClassifier(o.classifier, {
    ...(weights !== undefined && { weights }),
    ...(preprocessing !== undefined && { preprocessing }),
  });
  return classifierSource(classifier, o.pooling);
}

const fileFor = (input: string, folder: string | undefined, map: HeatMap, ending: string): string => {
  const word = (map.class.names[0] ?? String(map.class.index)).replace(/[^\p{L}\p{N}]+/gu, '-').toLowerCase();
  return join(folder ?? dirname(input), `${basename(input, extname(input))}.heat-${word}.${ending}`);
};

function asText(input: string, file: string, map: HeatMap): string {
  const { index, names } = map.class;
  const number = (n: number) => Number(n.toPrecision(4));
  return [
    `${input}  ${names.join(', ') || 'class'} (${index})`,
    `  ${map.kind} ${number(map.range[0])} to ${number(map.range[1])}, largest at ${map.peak.x}, ${map.peak.y}`,
    `  ${map.height} x ${map.width} cells, one per ${Number(map.stride.toFixed(2))} pixels of ${map.inputSize.join(' x ')}; ${(map.cost.macs / 1e9).toFixed(2)} GMACs, ${(map.cost.bytes / 1e6).toFixed(0)} MB of maps`,
    `  heat map ${file}`,
  ].join('\n');
}

export const heatmapCommand = command({
  name: 'heatmap',
  arguments: '<image>',
  summary: 'show where a picture looks like a class: NAME.heat-CLASS.png',
  examples: [
    'pixelwise heatmap photo.jpg --class cat',
    'pixelwise heatmap photo.jpg --class "tabby cat" --classifier squeezenet1_0 --weights squeezenet1_0.pth',
    'pixelwise heatmap photo.jpg --class 281 --classifier resnet50 --stride 8   # denser, by rarefied filters',
    'pixelwise heatmap photo.jpg --classifier mine.onnx --stride 4 --plan',
  ],
  options,
  async run([input = ''], o) {
    const { longSide, maxPixels, stride, dense, values } = o;
    if (o.plan ? stride === undefined : o.class === undefined) {
      throw new PixelwiseError(
        'ERR_USAGE',
        o.plan ? 'What would it cost at which stride? Add --stride N.' : 'Which class? Add --class NAME.',
      );
    }
    const source = await sourceOf(o);
    const { heatmap, heatmapCosts } = await import('../../segment/heatmap.js');
    const common = {
      class: o.class ?? '',
      ...(longSide !== undefined && { longSide }),
      ...(maxPixels !== undefined && { maxPixels }),
    };
    if (o.plan && stride !== undefined) {
      const costs = await heatmapCosts(input, source, { ...common, stride });
      print(o.json ? JSON.stringify({ input, network: source.name, stride, ...costs }) : denseTable(costs));
      return 0;
    }
    using interrupt = untilInterrupted();
    await using engine = createNodeEngine(o.threads === undefined ? {} : { threads: o.threads });
    try {
      const map = await heatmap(input, source, {
        ...common,
        engine,
        signal: interrupt.signal,
        ...(stride !== undefined && { stride }),
        ...(dense !== undefined && { dense }),
        ...(values !== undefined && { values }),
      });
      const file = fileFor(input, o.out, map, o.jpeg ? 'jpg' : 'png');
      if (o.out !== undefined) await makeFolder(o.out);
      const look = { opacity: o.opacity, squares: o.squares };
      await writeFileAtomic(file, await (o.jpeg ? map.toJPEG(look) : map.toPNG(look)));
      const { width, height, kind, range, peak, inputSize, cost } = map;
      print(
        o.json
          ? JSON.stringify({
              input,
              network: source.name,
              class: map.class,
              file,
              cells: [height, width],
              stride: map.stride,
              values: kind,
              range,
              peak,
              inputSize,
              ...cost,
            })
          : asText(input, file, map),
      );
      return 0;
    } catch (error) {
      if (!interrupt.signal.aborted) throw error;
      say('Interrupted: nothing was written.');
      return interruptedCode;
    }
  },
});
