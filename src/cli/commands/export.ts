/** @file `pixelwise export`: a model as one ONNX file for any runtime. */

import { voc } from '../../data/classes.js';
import { PixelwiseError } from '../../errors.js';
import { readBytes, writeFileAtomic } from '../../files.js';
import { vocPalette } from '../../image/palette.js';
import { findNetwork } from '../../nets/catalogue.js';
import { networkGraph } from '../../nets/network.js';
import { defaultModel } from '../../segment/default-model.js';
import { type ExportedModel, type ExportSource, exportOnnx, sidesInWords } from '../../segment/export.js';
import { loadModel } from '../../segment/model.js';
import { initialize } from '../../train/initialize.js';
import { matchWeights, readWeights, stateDictOf } from '../../weights/index.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, commonOptions, flag, sizeOption, text, whole } from '../options.js';
import { print, say, status } from '../output.js';

/** A network of the catalogue with weights of a bare file, or with its first weights. */
async function bareNetwork(name: string, file: string | undefined): Promise<ExportSource> {
  const network = findNetwork(name);
  const { parameters } = networkGraph(network, { size: network.inputSize, auxiliary: false });
  const first = initialize(parameters, 0);
  if (file === undefined) say(`${name}: first weights, not trained. Name a model or a weight file for others.`);
  else {
    const given = stateDictOf(readWeights(await readBytes(file), file).tensors);
    // Interpolating kernels are known without a file, and few files have them.
    const wanted = parameters.filter((p) => p.init.kind !== 'bilinear' || given.has(p.value.name));
    const expected = wanted.map((p) => ({ name: p.value.name, shape: p.value.shape }));
    const { tensors, report: fit } = matchWeights(expected, given, { strict: false, source: file });
    // An auxiliary head too much does no harm; a layer too few does.
    if (fit.missing.length + fit.mismatched.length > 0) matchWeights(expected, given, { source: file });
    if (fit.unexpected.length > 0) say(`not used by ${name}: ${fit.unexpected.join(', ')}`);
    for (const [key, t] of tensors) first.set(key, t);
  }
  const { classes: count, inputSize } = network;
  const classes = count === voc.classes.length ? voc.classes : Array.from({ length: count }, (_, i) => `class ${i}`);
  return {
    network,
    tensors: first,
    description: {
      version: 1,
      network: name,
      classes,
      palette: vocPalette(count),
      preprocessing: network.preprocessing,
      longSide: Math.max(...inputSize),
    },
  };
}

function report(
  file: string,
  { file: bytes, checks }: ExportedModel,
  source: ExportSource,
  processing: boolean,
  only: readonly number[] | undefined,
): string {
  const { classes } = source.description;
  const difference = (d: number) =>
    processing ? `${(100 * d).toFixed(3)} % of labels differ` : `largest difference ${d.toPrecision(2)}`;
  return [
    `${file}  ${(bytes.byteLength / 1e6).toFixed(1)} MB  ${source.network.title}, ${classes.length} classes`,
    processing
      ? '  image: uint8 [1, H, W, 3], RGB  ->  labels: uint8 [1, H, W]'
      : '  image: float32 [1, C, H, W], preprocessed  ->  scores: float32 [1, classes, H, W]',
    `  sides: ${only?.join('x') ?? sidesInWords(source.network)}`,
    ...checks.map((c) => `  checked at ${c.size.join('x')}: ${difference(c.difference)}`),
  ].join('\n');
}

export const exportCommand = command({
  name: 'export',
  arguments: '[model]',
  summary: 'write a model as one ONNX file for pictures of any size, and compare it with the network in memory',
  examples: [
    'pixelwise export voc-fcn-squeezenet -o model.onnx --with-processing',
    'pixelwise export runs/voc/last.safetensors --size 320x480',
    'pixelwise export weights.pth --network fcn8s-vgg16 -o fcn8s.onnx',
  ],
  options: {
    network: {
      flags: '--network <name>',
      description: 'the network of a bare weight file; alone: with its first weights',
      schema: text,
    },
    out: { flags: '-o, --out <file>', description: 'the file to write (default: NAME.onnx)', schema: text },
    size: { flags: '--size <HxW>', description: 'one fixed input size instead of all', schema: sizeOption },
    withProcessing: {
      flags: '--with-processing',
      description: 'uint8 RGB pictures in and uint8 labels out, instead of normalised float32 in and scores out',
      schema: flag,
    },
    threads: { flags: '--threads <n>', description: 'processor threads of the check', schema: whole },
    json: commonOptions.json,
  },
  async run([model], o) {
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    const source = o.network === undefined ? await loadModel(model) : await bareNetwork(o.network, model);
    const file = o.out ?? `${o.network ?? model?.replace(/^.*[\\/]|\.\w+$/g, '') ?? defaultModel}.onnx`;
    if (!/\.onnx$/i.test(file)) {
      throw new PixelwiseError('ERR_USAGE', `Expected a file that ends in .onnx, received '${file}'.`, {
        subject: file,
      });
    }
    status(`${source.network.name}: writing and checking`);
    let exported: ExportedModel;
    try {
      exported = await exportOnnx(source, {
        processing: o.withProcessing,
        signal,
        ...(o.size && { size: o.size }),
        ...(o.threads !== undefined && { threads: o.threads }),
      });
    } catch (error) {
      if (signal.aborted) return interruptedCode;
      throw error;
    }
    await writeFileAtomic(file, exported.file);
    if (o.json) {
      const { network, description } = source;
      const summary = { file, bytes: exported.file.byteLength, network: network.name, classes: description.classes };
      print(
        JSON.stringify({ ...summary, processing: o.withProcessing, size: o.size ?? 'any', checks: exported.checks }),
      );
    } else print(report(file, exported, source, o.withProcessing, o.size));
    return 0;
  },
});
