/** @file The outside of an ONNX file: is it one, which opset, which notes, which shapes of inputs. */

import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema, type ValueInfoProto } from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import type { Value } from '../ir.js';
import { dtypeOf } from './tensors.js';

/** Before 11, too much is an attribute or missing; after 22, operators may have changed in ways not known here. */
const opsets = { first: 11, last: 22 };

export interface OnnxFile {
  readonly graph: GraphProto;
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The names of ONNX's own set of operators. */
export const isOnnxDomain = (domain: string): boolean => domain === '' || domain === 'ai.onnx';

/** @throws ERR_FORMAT for what is no ONNX file, or one of an opset that is not read. */
export function decodeFile(bytes: Uint8Array): OnnxFile {
  const model = decode(bytes);
  const opset = Number(model.opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? 0);
  if (!model.graph || opset === 0) {
    throw noFile(`${bytes.length} bytes ${model.graph ? 'that name no opset' : 'without a graph'}`);
  }
  if (opset < opsets.first || opset > opsets.last) {
    throw new PixelwiseError(
      'ERR_FORMAT',
      `This opset is not read. Expected ONNX opset ${opsets.first} to ${opsets.last}, received ${opset}. Convert the ` +
        "model with onnx.version_converter, or export it again with another opset. pixelwise's own is 17.",
    );
  }
  if (model.graph.sparseInitializer.length > 0) {
    throw new PixelwiseError('ERR_FORMAT', 'The model has sparse weights. Expected dense ones. Export it densely.');
  }
  // No prototype: a note named __proto__ is a note.
  const metadata: Record<string, string> = Object.create(null);
  for (const { key, value } of model.metadataProps) metadata[key] = value;
  return { graph: model.graph, opset, metadata };
}

function decode(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw noFile(`${bytes.length} bytes that do not decode`, cause);
  }
}

function noFile(received: string, cause?: unknown): PixelwiseError {
  return new PixelwiseError(
    'ERR_FORMAT',
    `This is no ONNX model. Expected a ModelProto with a graph and an opset, received ${received}. The file may be cut ` +
      'off or of another format: get it again.',
    { cause },
  );
}

/**
 * A graph input with its static shape. `dims` gives sizes to symbolic dimensions, by their name (`batch`) or by input
 * and axis (`image.2`).
 */
export function readInput(proto: ValueInfoProto, dims: Readonly<Record<string, number>>): Value {
  const what = `Input "${proto.name}"`;
  const type = proto.type?.value;
  if (type?.case !== 'tensorType' || !type.value.shape) {
    throw new PixelwiseError('ERR_FORMAT', `${what} is no tensor of known rank. Give the exporter an example input.`, {
      subject: proto.name,
    });
  }
  const shape = type.value.shape.dim.map(({ value: dim }, axis) => {
    const size = dim.case === 'dimValue' ? Number(dim.value) : 0;
    if (size > 0) return size;
    const symbol = dim.case === 'dimParam' ? dim.value : '';
    const names = [symbol, `${proto.name}.${axis}`].filter((n) => n !== '');
    const given = names.map((n) => (Object.hasOwn(dims, n) ? dims[n] : undefined)).find((d) => d !== undefined);
    if (given !== undefined && Number.isSafeInteger(given) && given > 0) return given;
    throw new PixelwiseError(
      'ERR_GRAPH',
      `${what} has no fixed size on axis ${axis}. Expected a size for "${names[0]}", received ${given ?? 'none'}. ` +
        `Graphs have static shapes: read the model with dims: { '${names[0]}': 1 }, or another size.`,
      { subject: proto.name },
    );
  });
  return { name: proto.name, dtype: dtypeOf(type.value.elemType, what), shape };
}
