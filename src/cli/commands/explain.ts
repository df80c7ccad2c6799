/** @file `pixelwise explain`: a network layer by layer, and why its crops are where they are. */

import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import type { Graph, Pair } from '../../graph/ir.js';
import { readPicture } from '../../image/decode.js';
import sharp from '../../image/sharp.js';
import { classifiers, findNetwork } from '../../nets/catalogue.js';
import { type Changes, type Explanation, explain } from '../../nets/explain.js';
import { explanationSvg } from '../../nets/explain-svg.js';
import { conclusion, mapText, sizeText, stepRows } from '../../nets/explain-text.js';
import { classifierGraph, legalSide, type Network, networkGraph } from '../../nets/network.js';
import { reducedTo } from '../../segment/label-picture.js';
import { convolutionalize } from '../../surgery/convolutionalize.js';
import { denseCosts } from '../../surgery/dense-cost.js';
import { denseTable } from '../dense-table.js';
import { command, commonOptions, sizeOption, text, whole } from '../options.js';
import { print, say, table } from '../output.js';

const whatIf = /^([^=]+)\.(pad|stride|dilation)=(\d+)$/;
const fieldNames = ['pad', 'stride', 'dilation'] as const;

/** `fc6.pad=3` as a change; `--pad` is the first convolution's. */
function changesOf(given: readonly string[], pad: number | undefined, first: string | undefined): Changes {
  const all = [...(pad === undefined || first === undefined ? [] : [`${first}.pad=${pad}`]), ...given];
  const changes: Record<string, Record<string, number>> = {};
  for (const one of all) {
    const [, layer = '', field = '', value = ''] = whatIf.exec(one) ?? [];
    changes[layer] = { ...changes[layer], [field]: Number(value) };
  }
  return changes;
}

/** The photograph, small enough to lie inside a drawing, and the input size that has its aspect. */
async function embedded(file: string, network: Network): Promise<{ uri: string; size: readonly [number, number] }> {
  const picture = await readPicture(file);
  const seen = reducedTo(picture, Math.max(...network.inputSize));
  const { width, height, data } = picture;
  const small = reducedTo(picture, 480);
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize({ ...small, fit: 'fill' })
    .jpeg({ quality: 80 })
    .toBuffer();
  return {
    uri: `data:image/jpeg;base64,${jpeg.toString('base64')}`,
    size: [legalSide(network, seen.height), legalSide(network, seen.width)],
  };
}

const millions = (n: number): string => (n === 0 ? '' : n.toLocaleString('en-US'));

function asText({ network, input, layers, crops, parameters, macs, refusal }: Explanation): string {
  const rows = layers.map((l) => [
    l.name,
    l.operators.join(' '),
    l.window,
    `${l.channels}`,
    sizeText(l.size),
    String(Number(l.field.stride[0].toFixed(3))),
    sizeText(l.field.size),
    millions(l.parameters),
    l.macs === 0 ? '' : (l.macs / 1e6).toFixed(1),
  ]);
  const lines = [
    `${network.title} (${network.name}) at ${sizeText(input)}`,
    network.source,
    '',
    table([['layer', 'operators', 'window', 'channels', 'size', 'stride', 'field', 'parameters', 'MMACs'], ...rows]),
    '',
    `${parameters.toLocaleString('en-US')} parameters, ${(macs / 1e9).toFixed(2)} GMACs${refusal === undefined ? '' : ' up to the crop that is refused'}`,
  ];
  for (const crop of crops) {
    lines.push(
      '',
      `crop '${crop.name}': ${crop.cropped} (${sizeText(crop.croppedSize)}) is cut to ${crop.reference} (${sizeText(crop.referenceSize)})`,
    );
    for (const [target, steps] of [
      [crop.cropped, crop.toCropped],
      [crop.reference, crop.toReference],
    ] as const) {
      if (steps.length === 0) continue;
      lines.push(`  cell x of ${crop.ancestor} lies at y of each layer towards ${target}:`);
      lines.push(
        ...table(stepRows(steps))
          .split('\n')
          .map((l) => `    ${l}`),
      );
    }
    lines.push(`  ${crop.refusal === undefined ? 'so ' : 'REFUSED: '}${conclusion(crop)}`);
  }
  if (crops.length === 0) lines.push('', 'No crops: every map is as large as the one it meets.');
  return lines.join('\n');
}

function asJson(e: Explanation): string {
  const { network, boxOf: _, crops, layers, ...rest } = e;
  const field = (pair: readonly number[]) => pair.map((v) => (Number.isFinite(v) ? v : 'all'));
  return JSON.stringify({
    network: network.name,
    ...rest,
    layers: layers.map((l) => ({ ...l, field: { ...l.field, size: field(l.field.size) } })),
    crops: crops.map((c) => ({ ...c, conclusion: conclusion(c), mapText: mapText(c.map) })),
  });
}

/** The score map before any enlargement; of a classifier, made fully convolutional. */
function mapGraph(name: string, size: Pair | undefined): Graph {
  const classifier = classifiers.find((c) => c.name === name);
  if (classifier) return convolutionalize(classifierGraph(classifier), size ? { size } : {});
  const network = findNetwork(name);
  return networkGraph(network, { size: size ?? network.inputSize, outputs: ['low'], auxiliary: false });
}

export const explainCommand = command({
  name: 'explain',
  arguments: '<network>',
  summary: 'show every layer with its map, field and cost, and the algebra behind each crop',
  examples: [
    'pixelwise explain fcn32s-vgg16',
    'pixelwise explain fcn8s-vgg16 --svg fcn8s.svg --photo photo.jpg',
    'pixelwise explain fcn32s-vgg16 --pad 1   # why it pads by 100',
    'pixelwise explain fcn32s-vgg16 --dense 8   # what a denser map would cost',
    'pixelwise explain fcn32s-vgg16 --pad 1 --what-if fc6.pad=3 --what-if upscore.pad=16',
  ],
  options: {
    input: {
      flags: '--input <HxW>',
      description: "input size (default: the photograph's, or the network's own)",
      schema: sizeOption,
    },
    pad: {
      flags: '--pad <n>',
      description: 'what if the first convolution padded by this?',
      schema: z.coerce.number().int().min(0).optional(),
    },
    whatIf: {
      flags: '--what-if <layer.pad=n>',
      description: 'what if a layer had another pad, stride or dilation? May be repeated',
      schema: z
        .array(z.string().regex(whatIf, `expected LAYER.FIELD=NUMBER with a field of ${fieldNames.join(', ')}`))
        .default([]),
      repeated: true,
    },
    dense: {
      flags: '--dense <stride>',
      description: 'print what its map at this stride costs, stitched and rarefied, and stop; takes classifiers too',
      schema: whole,
    },
    svg: { flags: '--svg <file>', description: 'draw it', schema: text },
    photo: { flags: '--photo <file>', description: 'a photograph to draw the receptive fields on', schema: text },
    json: commonOptions.json,
  },
  async run([name = ''], o) {
    if (o.dense !== undefined) {
      const graph = mapGraph(name, o.input);
      const costs = denseCosts(graph, { stride: o.dense });
      const input = graph.inputs[0]!.shape.slice(2);
      print(o.json ? JSON.stringify({ network: name, input, stride: o.dense, ...costs }) : denseTable(costs));
      return 0;
    }
    const network = findNetwork(name);
    if (o.photo !== undefined && o.svg === undefined) {
      throw new PixelwiseError('ERR_USAGE', 'A photograph is drawn on: add --svg FILE.', { subject: '--photo' });
    }
    const photo = o.photo === undefined ? undefined : await embedded(o.photo, network);
    const size = o.input ?? photo?.size ?? network.inputSize;
    const first =
      o.pad === undefined ? undefined : explain(network, { size }).layers.find((l) => l.operators[0] === 'Conv');
    const e = explain(network, { size, changes: changesOf(o.whatIf, o.pad, first?.name) });
    print(o.json ? asJson(e) : asText(e));
    if (o.svg !== undefined) {
      await writeFileAtomic(o.svg, explanationSvg(e, photo ? { photo: photo.uri } : {}));
      say(`drawn: ${o.svg}`);
    }
    return e.refusal === undefined ? 0 : 1;
  },
});
