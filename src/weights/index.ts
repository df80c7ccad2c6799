/** @file Weight files of any known format → named tensors. The format is told from the content, never from the name. */

import type { NamedTensors } from '../graph/tensor.js';
import { formatError } from './bytes.js';
import { isCaffemodel, readCaffemodel } from './caffemodel.js';
import { isNpy, readNpy, readNpz } from './npy.js';
import { isOnnx, readOnnx } from './onnx.js';
import { isLegacyTorch, readPth } from './pth.js';
import { dequantized } from './quantized.js';
import { isSafetensors, readSafetensors } from './safetensors.js';
import { describeUnknown } from './unknown.js';
import { firstZipName } from './zip.js';

export { foldInput, sameMeanAs } from './fold-input.js';
export { type ExpectedTensor, matchWeights, type WeightsReport } from './load.js';
export { type NameMap, nameMaps, toOurs, toTheirs } from './names/index.js';
export { readSafetensors, writeSafetensors } from './safetensors.js';
export { stateDictOf } from './state-dict.js';
export { describeTransplant, type TransplantOptions, type TransplantReport, transplant } from './transplant.js';

export type WeightFormatName = 'safetensors' | 'pth' | 'npz' | 'npy' | 'onnx' | 'caffemodel';

/** The content of a weight file. `metadata` is empty where the format has none. */
export interface WeightFile {
  readonly tensors: NamedTensors;
  readonly metadata: Record<string, string>;
  readonly format: WeightFormatName;
}

interface WeightFormat {
  readonly name: WeightFormatName;
  readonly recognise: (bytes: Uint8Array) => boolean;
  readonly read: (bytes: Uint8Array, fileName: string) => Omit<WeightFile, 'format'>;
}

const plain = (read: (bytes: Uint8Array, fileName: string) => NamedTensors): WeightFormat['read'] => {
  return (bytes, fileName) => ({ tensors: read(bytes, fileName), metadata: {} });
};

/** The formats, those with an unmistakable beginning first. One more format is one more line. */
const formats: readonly WeightFormat[] = [
  { name: 'npz', recognise: (b) => firstZipName(b)?.endsWith('.npy') === true, read: plain(readNpz) },
  { name: 'pth', recognise: (b) => firstZipName(b) !== undefined || isLegacyTorch(b), read: plain(readPth) },
  { name: 'npy', recognise: isNpy, read: plain(readNpy) },
  { name: 'safetensors', recognise: isSafetensors, read: readSafetensors },
  { name: 'onnx', recognise: isOnnx, read: plain(readOnnx) },
  { name: 'caffemodel', recognise: isCaffemodel, read: plain(readCaffemodel) },
];

/**
 * Reads a weight file: `.safetensors`, PyTorch (`.pth`, `.pt`), NumPy (`.npz`, `.npy`), ONNX initialisers, Caffe
 * (`.caffemodel`).
 *
 * Names are the file's own (of a PyTorch checkpoint, the path: see `stateDictOf`). Tensors may be views into `bytes` and
 * may share memory: copy before writing to them. Whole numbers that come with a scale are real numbers again.
 *
 * @param bytes the whole file
 * @param fileName names the file in errors; it does not choose the format
 * @throws PixelwiseError `ERR_FORMAT` for unknown or damaged content, `ERR_UNSAFE` for a file that asks for code to be run
 */
export function readWeights(bytes: Uint8Array, fileName: string): WeightFile {
  const format = formats.find(({ recognise }) => recognise(bytes));
  if (format === undefined) {
    const known = formats.map(({ name }) => name).join(', ');
    throw formatError(fileName, `${describeUnknown(bytes)} Expected one of: ${known}.`);
  }
  const { tensors: stored, metadata } = format.read(bytes, fileName);
  const tensors = dequantized(stored);
  if (tensors.size === 0) {
    throw formatError(
      fileName,
      `it is in the format ${format.name}, without a single tensor. Expected the weights of a network.`,
    );
  }
  return { tensors, metadata, format: format.name };
}
