/** @file The initialisers of an `.onnx` model (`onnx.proto3`, IR version 13) as named tensors. */

import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from 'onnx-buf';
import {
  arrayType,
  bytesPerElement,
  type DType,
  formatShape,
  type NamedTensors,
  type Tensor,
  type TypedArrayOf,
} from '../graph/tensor.js';
import { checkBools, checkedSize, FETCH_AGAIN, formatError, guarded, quote, readElements } from './bytes.js';
import { topTags } from './protobuf.js';

type TypedField = 'floatData' | 'doubleData' | 'int32Data' | 'int64Data';

/** Element types, and the typed field that holds their numbers where `raw_data` does not. */
const elementTypes = new Map<number, { dtype: DType; field: TypedField }>([
  [TensorProto_DataType.FLOAT, { dtype: 'float32', field: 'floatData' }],
  [TensorProto_DataType.DOUBLE, { dtype: 'float64', field: 'doubleData' }],
  [TensorProto_DataType.FLOAT16, { dtype: 'float16', field: 'int32Data' }],
  [TensorProto_DataType.BFLOAT16, { dtype: 'bfloat16', field: 'int32Data' }],
  [TensorProto_DataType.INT64, { dtype: 'int64', field: 'int64Data' }],
  [TensorProto_DataType.INT32, { dtype: 'int32', field: 'int32Data' }],
  [TensorProto_DataType.INT16, { dtype: 'int16', field: 'int32Data' }],
  [TensorProto_DataType.INT8, { dtype: 'int8', field: 'int32Data' }],
  [TensorProto_DataType.UINT8, { dtype: 'uint8', field: 'int32Data' }],
  [TensorProto_DataType.BOOL, { dtype: 'bool', field: 'int32Data' }],
]);

/** True where `bytes` look like a ModelProto: an IR version (1, a number) and a graph (7, a message). */
export function isOnnx(bytes: Uint8Array): boolean {
  const tags = topTags(bytes);
  return tags?.has('1:0') === true && tags.has('7:2');
}

/**
 * Reads the initialisers of an ONNX model under their own names. Tensors may be views into `bytes`: copy before writing.
 *
 * @throws PixelwiseError `ERR_FORMAT` when the file is damaged, keeps its data in another file, or holds an element type
 *   that the project has no tensor for
 */
export function readOnnx(bytes: Uint8Array, name = 'ONNX model'): NamedTensors {
  return guarded(name, 'ONNX model', () => {
    const { graph } = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
    if (graph === undefined) throw formatError(name, `the model has no graph. ${FETCH_AGAIN}`);
    if (graph.sparseInitializer.length > 0) {
      throw formatError(name, 'the model has sparse initialisers. Export it with dense ones.');
    }
    const tensors: NamedTensors = new Map();
    for (const proto of graph.initializer) {
      if (tensors.has(proto.name)) throw formatError(name, `two initialisers are named ${quote(proto.name)}.`);
      tensors.set(proto.name, readInitializer(proto, name));
    }
    return tensors;
  });
}

function readInitializer(proto: TensorProto, file: string): Tensor {
  const wrong = (message: string) => formatError(file, `initialiser ${quote(proto.name)} ${message}`);
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL || proto.externalData.length > 0) {
    const location = proto.externalData.find(({ key }) => key === 'location')?.value ?? 'another file';
    throw wrong(`keeps its data in ${quote(location)}. Save the model as one file (onnx.save_model does by default).`);
  }
  const type = elementTypes.get(proto.dataType);
  if (type === undefined) {
    const named = TensorProto_DataType[proto.dataType] ?? proto.dataType;
    throw wrong(
      `has the element type ${named}. Expected one of ${[...elementTypes.values()].map((t) => t.dtype).join(', ')}.`,
    );
  }
  const { dtype, field } = type;
  const shape = proto.dims.map(Number);
  const size = checkedSize(shape);
  if (size === undefined) throw wrong(`has an impossible shape. ${FETCH_AGAIN}`);

  const values = proto[field];
  const raw = proto.rawData;
  const count = values.length > 0 ? values.length : raw.length / bytesPerElement(dtype);
  if (count !== size || (values.length > 0 && raw.length > 0)) {
    throw wrong(
      `does not fill its shape. Expected ${size} elements of ${dtype} for ${formatShape(shape)}, received ${count}. ${FETCH_AGAIN}`,
    );
  }
  const data = values.length > 0 ? typedData(dtype, values) : readElements(dtype, raw, 0, size);
  checkBools(file, proto.name, dtype, data, shape);
  return { dtype, shape, data };
}

/** Typed fields hold one number per element; 16-bit floats come as bit patterns. */
function typedData(dtype: DType, values: readonly number[] | readonly bigint[]): TypedArrayOf[DType] {
  const ArrayType = arrayType(dtype) as unknown as { from(values: Iterable<number | bigint>): TypedArrayOf[DType] };
  return ArrayType.from(values);
}
