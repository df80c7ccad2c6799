/**
 * @file Makes docs/networks.md: for each paper the page of code that draws its networks, its figure drawn from the graph, and
 * its table beside what the code computes. Only published numbers are typed here, each with its source.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { countMacs } from '../../src/graph/macs.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { countParameters } from '../../src/nets/count.js';
import { type Explanation, explain } from '../../src/nets/explain.js';
import { conclusion, mapText } from '../../src/nets/explain-text.js';
import { networkGraph } from '../../src/nets/network.js';
import { parityText } from '../../src/nets/parity-state.js';
import { published } from '../../src/nets/published.js';

type Column = readonly [title: string, cell: (network: string) => string];

interface Paper {
  readonly title: string;
  readonly text: string;
  /** File in src/nets, and the declarations of it that are shown. */
  readonly page: readonly [file: string, ...declarations: string[]];
  /** The network that is drawn. */
  readonly figure: string;
  /** Networks whose crops are explained. */
  readonly crops?: readonly string[];
  readonly networks: readonly string[];
  /** Columns beside parameters, GMACs, score and parity. */
  readonly columns?: readonly Column[];
  /** Parameters as published, and where; the rest has no published count. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly source: string;
}

const count = (n: number): string => n.toLocaleString('en-US');
const explained = new Map<string, Explanation>();
const explanation = (name: string): Explanation => {
  const e = explained.get(name) ?? explain(findNetwork(name));
  explained.set(name, e);
  return e;
};

/** Side of the field of a layer, in pixels. */
const field = (layer: RegExp) => (name: string) => {
  const side = explanation(name).layers.findLast((l) => layer.test(l.name))!.field.size[0];
  return Number.isFinite(side) ? String(side) : 'all';
};
const listed = (values: Readonly<Record<string, string>>) => (name: string) => values[name] ?? '';

/** 8 (k - 1) r + 32 from the kernel and rate that fc6 has in the graph. */
function view(name: string): string {
  const { window } = explanation(name).layers.find((l) => l.name === 'fc6')!;
  const [, k, rate = 1] = /^(\d+)x.*?(?:dilation (\d+))?$/.exec(window)!;
  return String(8 * (Number(k) - 1) * Number(rate) + 32);
}

const papers: readonly Paper[] = [
  {
    title: 'Fully convolutional networks, VGG16 (Long, Shelhamer and Darrell, 2015 and 2017)',
    text:
      'arXiv 1411.4038 and 1605.06211; layers as in `voc-fcn*s/net.py` of shelhamer/fcn.berkeleyvision.org. A head scores fc7, adds ' +
      'the scores of pool4 and pool3 on the way up, and cuts what the padding of 100 made too large. The `clean` networks pad by 1 ' +
      'instead, and cut nothing.',
    page: ['fcn-vgg16', 'conventions', 'fcnHead'],
    figure: 'fcn8s-vgg16',
    crops: ['fcn32s-vgg16', 'fcn16s-vgg16', 'fcn8s-vgg16'],
    networks: [
      ...['fcn32s-vgg16', 'fcn16s-vgg16', 'fcn8s-vgg16', 'fcn8s-atonce-vgg16'],
      ...['fcn32s-vgg16-clean', 'fcn16s-vgg16-clean', 'fcn8s-vgg16-clean', 'fcn8s-atonce-vgg16-clean'],
    ],
    columns: [
      ['field, published', listed({ 'fcn32s-vgg16': '404' })],
      ['field', field(/^fc7$/)],
    ],
    parameters: { 'fcn32s-vgg16': '134M' },
    source: 'Table 1 of the paper; scores: README.md of the repository',
  },
  {
    title: 'Fully convolutional networks, AlexNet (2015)',
    text: 'The trunk is CaffeNet: pools before normalisation, two groups. `voc-fcn-alexnet/net.py`.',
    page: ['alexnet', 'trunk', 'fcnAlexnet'],
    figure: 'fcn-alexnet',
    crops: ['fcn-alexnet'],
    networks: ['fcn-alexnet'],
    columns: [
      ['field, published', listed({ 'fcn-alexnet': '355' })],
      ['field', field(/^fc7$/)],
    ],
    parameters: { 'fcn-alexnet': '57M' },
    source: 'Table 1 of the paper; score: README.md of the repository',
  },
  {
    title: 'Fully convolutional networks, GoogLeNet (2015)',
    text:
      'Described in the paper, never released. The published field of 907 is that of the classifier, whose average pool of 7 cells ' +
      'the network drops: 715 + 6 x 32 = 907.',
    page: ['googlenet', 'inception', 'trunk', 'fcnGooglenet'],
    figure: 'fcn-googlenet',
    crops: ['fcn-googlenet'],
    networks: ['fcn-googlenet'],
    columns: [
      ['field, published', listed({ 'fcn-googlenet': '907' })],
      ['field', field(/^score_fr$/)],
    ],
    parameters: { 'fcn-googlenet': '6M' },
    source: 'Table 1 of the paper',
  },
  {
    title: 'DeepLab v1 (Chen et al., 2015)',
    text:
      'arXiv 1412.7062. The last two strides become dilation, fc6 comes in four views, and branches from the image and four pools may ' +
      'join before the score. The view is 8 (k - 1) r + 32 for a kernel of k at rate r; the field is that of a whole score.',
    page: ['deeplab-vgg16', 'views', 'branch', 'deeplabVgg16'],
    figure: 'deeplab-largefov-vgg16',
    networks: [
      ...['deeplab-7x7-vgg16', 'deeplab-base-vgg16', 'deeplab-base-rate8-vgg16', 'deeplab-largefov-vgg16'],
      ...['deeplab-msc-vgg16', 'deeplab-msc-largefov-vgg16'],
      ...['deeplab-largefov-resnet50', 'deeplab-largefov-resnet101', 'deeplab-resnet50', 'deeplab-resnet101'],
    ],
    columns: [
      [
        'view, published',
        listed({
          'deeplab-7x7-vgg16': '224',
          'deeplab-base-vgg16': '128',
          'deeplab-base-rate8-vgg16': '224',
          'deeplab-largefov-vgg16': '224',
        }),
      ],
      ['view', (name) => (/vgg16$/.test(name) ? view(name) : '')],
      ['field', field(/^fc8$/)],
      [
        'mean IU, published (with CRF)',
        listed({
          'deeplab-7x7-vgg16': '64.38 (67.64)',
          'deeplab-base-vgg16': '59.80 (63.74)',
          'deeplab-base-rate8-vgg16': '63.41 (67.14)',
          'deeplab-largefov-vgg16': '62.25 (67.64)',
        }),
      ],
    ],
    parameters: {
      'deeplab-7x7-vgg16': '134.3M',
      'deeplab-base-vgg16': '65.1M',
      'deeplab-base-rate8-vgg16': '65.1M',
      'deeplab-largefov-vgg16': '20.5M',
    },
    source: 'Table 2 of the paper, on VOC 2012 val',
  },
  {
    title: "torchvision's FCN-ResNet",
    text:
      '`models/segmentation/fcn.py`: stride 8 by dilation, a head of two convolutions, an auxiliary one on layer3, half-pixel ' +
      'interpolation. Counts include the auxiliary head.',
    page: ['fcn-resnet', 'head', 'fcnResnet'],
    figure: 'fcn-resnet50',
    networks: ['fcn-resnet18', 'fcn-resnet34', 'fcn-resnet50', 'fcn-resnet101'],
    columns: [
      ['GMACs, published (520x520)', listed({ 'fcn-resnet50': '152.717', 'fcn-resnet101': '232.738' })],
      ['field', field(/^classifier\.4$/)],
    ],
    parameters: { 'fcn-resnet50': '35,322,218', 'fcn-resnet101': '54,314,346' },
    source: "torchvision's weight entries",
  },
  {
    title: 'NYUDv2: color, HHA, early and late fusion',
    text:
      '`nyud-fcn32s-*` of shelhamer/fcn.berkeleyvision.org: FCN-32s for 40 classes, on color, on HHA, on color with depth as a fourth ' +
      'channel, and on color and HHA in two streams whose scores are averaged.',
    page: ['nyud', 'nyudEarly', 'nyudLate'],
    figure: 'nyud-fcn32s-late',
    crops: ['nyud-fcn32s-late'],
    networks: ['nyud-fcn32s-color', 'nyud-fcn32s-hha', 'nyud-fcn32s-early', 'nyud-fcn32s-late', 'nyud-fcn16s-late'],
    parameters: {},
    source: 'README.md of the repository',
  },
  {
    title: 'SIFT Flow: two label layers at once',
    text: '`siftflow-fcn*s`: one trunk, and a head each for 33 semantic and 3 geometric classes.',
    page: ['siftflow', 'siftflow'],
    figure: 'siftflow-fcn8s',
    crops: ['siftflow-fcn8s'],
    networks: ['siftflow-fcn32s', 'siftflow-fcn16s', 'siftflow-fcn8s'],
    parameters: {},
    source: 'README.md of the repository',
  },
  {
    title: 'PASCAL-Context: 59 classes and background',
    text: '`pascalcontext-fcn*s`: the networks of the first section with 60 classes.',
    page: ['fcn-vgg16', 'pascalContext'],
    figure: 'pascalcontext-fcn8s',
    networks: ['pascalcontext-fcn32s', 'pascalcontext-fcn16s', 'pascalcontext-fcn8s'],
    parameters: {},
    source: 'README.md of the repository',
  },
  {
    title: 'ESPNetv2 and ESPNet (Mehta et al., 2019 and 2018)',
    text: 'Pyramids of dilated depthwise convolutions, for small devices; layers as in the published code.',
    page: ['espnetv2', 'espnetv2'],
    figure: 'espnetv2',
    networks: [
      'espnetv2-0.5',
      'espnetv2-1.0',
      'espnetv2-1.5',
      'espnetv2',
      'espnetv2-near',
      'espnetv2-near-agree',
      'espnet-camvid',
    ],
    parameters: {},
    source: 'the published parameter lists, tested by name and shape',
  },
  {
    title: 'FCN on SqueezeNet: the small network of this project',
    text: 'The published classifier SqueezeNet 1.0 with the skips of FCN and a context stage. It has no paper of its own.',
    page: ['fcn-squeezenet', 'fcnSqueezenet'],
    figure: 'fcn-squeezenet',
    networks: ['fcn-squeezenet', 'fcn-squeezenet-dilated'],
    parameters: {},
    source: 'models/voc-fcn-squeezenet.md has the scores of the shipped model',
  },
  {
    title: "The papers' heads on SqueezeNet",
    text: 'FCN-32s, 16s, 8s and LargeFOV as above on a trunk that a processor can train: for seeing what the heads do. No paper has them.',
    page: ['small-squeezenet', 'fcnSmall', 'deeplabSmall'],
    figure: 'fcn8s-squeezenet',
    networks: ['fcn32s-squeezenet', 'fcn16s-squeezenet', 'fcn8s-squeezenet', 'deeplab-largefov-squeezenet'],
    parameters: {},
    source: 'nothing',
  },
];

/** A declaration of a page, from its comment to its end, with the lines it stands on. */
function excerpt(file: string, name: string): { code: string; from: number; to: number } {
  const lines = readFileSync(fileURLToPath(new URL(`../../src/nets/${file}.ts`, import.meta.url)), 'utf8').split('\n');
  const at = lines.findIndex((l) => new RegExp(`^(export )?(const|function) ${name}\\b`).test(l));
  if (at < 0) throw new Error(`src/nets/${file}.ts declares no ${name}`);
  let from = at;
  while (/^(\/\*\*| \*)/.test(lines[from - 1] ?? '')) from--;
  let to = at;
  while (/^[\s})\]]/.test(lines[to + 1] ?? '')) to++;
  return { code: lines.slice(from, to + 1).join('\n'), from: from + 1, to: to + 1 };
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function table({ networks, columns = [], parameters }: Paper): string {
  const title = ['network', 'parameters, published', 'parameters', 'GMACs', ...columns.map((c) => c[0])];
  const score = (name: string) => published.find((p) => p.network === name && p.score !== undefined)?.score ?? '';
  const scored = networks.some(score);
  const rows = networks.map((name) => {
    const network = findNetwork(name);
    const macs = countMacs(networkGraph(network, { size: network.inputSize }));
    return [
      `\`${name}\``,
      parameters[name] ?? '',
      count(countParameters(network)),
      `${(macs / 1e9).toFixed(3)} at ${network.inputSize.join('x')}`,
      ...columns.map(([, cell]) => cell(name)),
      ...(scored ? [score(name)] : []),
      parityText(name),
    ];
  });
  const heads = [...title, ...(scored ? ['score of the published weights'] : []), 'parity'];
  return [row(heads), row(heads.map(() => '---')), ...rows.map(row)].join('\n');
}

/** The way from the image to the offset, layer by layer for one crop, in a line for more. */
function cropText(names: readonly string[]): string {
  const lines = names.flatMap((name) => explanation(name).crops.map((c) => `* \`${name}\`: ${conclusion(c)}`));
  const [first] = explanation(names[0]!).crops;
  const steps = first!.toCropped.map((s) => `${s.layer.padEnd(10)} ${s.window.padEnd(28)} ${mapText(s.composed)}`);
  const offset = first!.offset![0];
  return [
    `Why ${offset}? Where pixel x of the image comes to lie, layer by layer (\`pixelwise explain ${names[0]}\`):`,
    '',
    '```text',
    ...steps,
    '```',
    '',
    ...lines,
  ].join('\n');
}

export const figureOf = (name: string): string => `pictures/${name}.svg`;
export const figures: readonly string[] = papers.map((p) => p.figure);

const parityNote =
  'Parity is the largest difference of a score map from the same network in PyTorch, computed in float64 with the same filled ' +
  'weights, over the largest value of the reference; `test/data/nets-record.test.ts` measures it and writes `src/nets/parity.ts`.';

/** The whole page. */
export function networksPage(): string {
  const sections = papers.map((paper) => {
    const [file, ...names] = paper.page;
    const parts = names.map((name) => excerpt(file, name));
    const links = parts.map((p, i) => `[\`${names[i]}\`](../src/nets/${file}.ts#L${p.from}-L${p.to})`);
    return [
      `## ${paper.title}`,
      paper.text,
      `The page that draws it, [src/nets/${file}.ts](../src/nets/${file}.ts): ${links.join(', ')}`,
      ['```ts', parts.map((p) => p.code).join('\n\n'), '```'].join('\n'),
      `The figure, drawn from that graph (\`pixelwise explain ${paper.figure} --svg FILE --photo examples/chelsea.jpg\`):`,
      `![${paper.figure}: maps, fields on a photograph and crops](${figureOf(paper.figure)})`,
      ...(paper.crops ? [cropText(paper.crops)] : []),
      `The table (published: ${paper.source}):`,
      table(paper),
    ].join('\n\n');
  });
  return `${[
    '# Networks',
    'This page is made from the code by `npm run docs`, and a test compares the two. Columns named "published" hold what the source ' +
      `says; all others are computed from the graphs. ${parityNote}`,
    ...sections,
  ].join('\n\n')}\n`;
}
