/**
 * @file NumPy's `.npy` arrays (`numpy/lib/format.py`, versions 1 to 3) and `.npz` archives of them. Object arrays are
 * pickles and are refused.
 */

import { PixelwiseError } from '../errors.js';
import { bytesPerElement, type DType, formatShape, type NamedTensors, type Tensor } from '../graph/tensor.js';
import {
  checkBools,
  checkedSize,
  denseStrides,
  FETCH_AGAIN,
  formatError,
  gather,
  guarded,
  quote,
  readElements,
  swapBytes,
} from './bytes.js';
import { ZipArchive } from './zip.js';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** NumPy's own limit is 10,000 characters. */
const MAX_HEADER = 65536;

/** Type codes without their byte order. */
const dtypes = new Map<string, DType>([
  ['f8', 'float64'],
  ['f4', 'float32'],
  ['f2', 'float16'],
  ['i8', 'int64'],
  ['i4', 'int32'],
  ['i2', 'int16'],
  ['i1', 'int8'],
  ['u1', 'uint8'],
  ['b1', 'bool'],
]);

/** The name of the one tensor of a `.npy` file, which has none of its own. */
const ONLY = 'array';

/** True where `bytes` begin like a `.npy` file. */
export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads a `.npy` file as one tensor named `array`. Fortran order and big-endian data become row-major little-endian
 * copies; otherwise the tensor may be a view into `bytes`: copy before writing.
 *
 * @throws PixelwiseError `ERR_FORMAT` when the file is damaged or its type has no tensor here, `ERR_UNSAFE` for an object
 *   array
 */
export function readNpy(bytes: Uint8Array, name = 'NumPy array'): NamedTensors {
  return guarded(name, 'NumPy array', () => new Map([[ONLY, readArray(bytes, name, ONLY)]]));
}

/**
 * Reads a `.npz` archive, stored or compressed: one tensor per member, named like the member without `.npy`.
 *
 * @throws PixelwiseError as `readNpy`
 */
export function readNpz(bytes: Uint8Array, name = 'NumPy archive'): NamedTensors {
  return guarded(name, 'NumPy archive', () => {
    const archive = new ZipArchive(bytes, name);
    const tensors: NamedTensors = new Map();
    for (const member of archive.names) {
      if (!member.endsWith('.npy')) {
        throw formatError(name, `the archive holds ${quote(member)}. Expected .npy members only.`);
      }
      const key = member.slice(0, -'.npy'.length);
      tensors.set(key, readArray(archive.read(member, true) as Uint8Array, name, key));
    }
    return tensors;
  });
}

function readArray(bytes: Uint8Array, file: string, key: string): Tensor {
  const { descr, fortran, shape, end } = readHeader(bytes, file, key);
  const { dtype, bigEndian } = readType(descr, file, key);
  const size = checkedSize(shape);
  const width = bytesPerElement(dtype);
  const content = bytes.subarray(end);
  if (size === undefined || shape.length > 64 || content.length !== size * width) {
    throw formatError(
      file,
      `array ${quote(key)} does not fill its shape. Expected ${(size ?? Number.NaN) * width} bytes of ${dtype} for ${formatShape(shape)}, received ${content.length}. ${FETCH_AGAIN}`,
    );
  }
  const stored = readElements(dtype, bigEndian ? swapBytes(content, width) : content, 0, size);
  // Fortran order is the row-major order of the reversed axes.
  const data = fortran ? gather(dtype, stored, shape, denseStrides(shape.toReversed()).reverse(), 0) : stored;
  checkBools(file, key, dtype, data, shape);
  return { dtype, shape, data };
}

interface NpyHeader {
  descr: string;
  fortran: boolean;
  shape: number[];
  end: number;
}

/** The header is a Python dict literal whose three keys NumPy always writes; only their exact forms are accepted. */
function readHeader(bytes: Uint8Array, file: string, key: string): NpyHeader {
  const damaged = () => formatError(file, `array ${quote(key)} has a damaged header. ${FETCH_AGAIN}`);
  const wide = (bytes[6] as number) > 1;
  const start = wide ? 12 : 10;
  if (!isNpy(bytes) || bytes.length < start || ![1, 2, 3].includes(bytes[6] as number)) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const end = start + length;
  if (length > MAX_HEADER || end > bytes.length) throw damaged();
  const text = new TextDecoder().decode(bytes.subarray(start, end));
  const descr = /'descr':\s*('[^']*'|\[)/.exec(text)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape':\s*\(([\dL\s,]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined) throw damaged();
  // Python 2 wrote long integers as 6L.
  const dims = shape.split(',').map((part) => part.trim().replace(/L$/, ''));
  return {
    descr: descr.replaceAll("'", ''),
    fortran: fortran === 'True',
    shape: dims.filter((part) => part !== '').map(Number),
    end,
  };
}

function readType(descr: string, file: string, key: string): { dtype: DType; bigEndian: boolean } {
  const [, order, code] = /^([<>|=]?)(\w+)$/.exec(descr) ?? [];
  if (code?.startsWith('O')) {
    throw new PixelwiseError(
      'ERR_UNSAFE',
      `${file}: array ${quote(key)} holds Python objects, which only running code could restore. Save it as numbers.`,
      { subject: file },
    );
  }
  const dtype = dtypes.get(code ?? '');
  if (dtype === undefined) {
    throw formatError(
      file,
      `array ${quote(key)} has the type ${quote(descr)}. Expected one of ${[...dtypes.values()].join(', ')}. Convert it first.`,
    );
  }
  return { dtype, bigEndian: order === '>' };
}
