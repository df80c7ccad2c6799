/**
 * @file What PyTorch puts into a pickle: the short list of names that a state dict needs, and tensors as strided views
 * of storages. Names and argument orders follow `torch/_utils.py` and `torch/_weights_only_unpickler.py` (PyTorch 2.13).
 */

import { bytesPerElement, type DType, formatShape, type Tensor, type TypedArrayOf } from '../graph/tensor.js';
import {
  checkBools,
  checkedSize,
  denseStrides,
  FETCH_AGAIN,
  formatError,
  gather,
  quote,
  readElements,
} from './bytes.js';
import type { PickleGlobal } from './pickle-machine.js';

/** A run of numbers in the file, shared by any number of tensors. */
export class TorchStorage {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    /** Elements of `dtype`. */
    readonly count: number,
    /** The stretch of it that is meant, in elements; only files before PyTorch 0.4 name one. */
    readonly part?: { readonly offset: number; readonly count: number },
  ) {}
}

/** A tensor as the pickle describes it; its numbers are looked up once the whole file is known. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: DType,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

const storageTypes: Readonly<Record<string, DType>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

const scalarTypes: readonly DType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
];

/** A storage class or `torch.float32` in a pickle: it is never called, only mentioned. */
class TypeName implements PickleGlobal {
  constructor(
    readonly name: string,
    readonly dtype: DType,
  ) {}
}

/** Names whose value no tensor depends on: kept as inert text, so that checkpoints with their logs can be read. */
const inert = [
  'argparse.Namespace',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.dtype',
  'torch.device',
  // Factories of a defaultdict; `bytes` also spells the empty byte string.
  ...['bool', 'bytes', 'complex', 'dict', 'float', 'int', 'list', 'str', 'tuple'].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
];

/** The allow-list. `file` names the file in errors. */
export function torchGlobals(file: string): ReadonlyMap<string, PickleGlobal> {
  const wrong = (what: string) => formatError(file, `${what} is described in a way PyTorch never does. ${FETCH_AGAIN}`);

  const rebuild: PickleGlobal['call'] = (args) => {
    const [storage, offset, shape, strides] = args;
    return makeTensor(storage, undefined, offset, shape, strides);
  };

  const makeTensor = (
    storage: unknown,
    dtype: DType | undefined,
    offset: unknown,
    shape: unknown,
    strides: unknown,
  ) => {
    if (!(storage instanceof TorchStorage) || !Array.isArray(shape) || !Array.isArray(strides)) throw wrong('a tensor');
    const fits = checkedSize([offset]) !== undefined && strides.every((s) => checkedSize([s]) !== undefined);
    // 64 axes is NumPy's limit; more only serves to exhaust somebody.
    if (!fits || checkedSize(shape) === undefined || shape.length !== strides.length || shape.length > 64) {
      throw wrong('a tensor');
    }
    // Copies: the pickle may go on to append to these very lists.
    return new TorchTensor(storage, dtype ?? storage.dtype, offset as number, [...shape], [...strides]);
  };

  const calls: Readonly<Record<string, PickleGlobal['call']>> = {
    'torch._utils._rebuild_tensor': rebuild,
    'torch._utils._rebuild_tensor_v2': (args) => {
      // The seventh argument marks conjugated or negated views, whose numbers are not those of the storage.
      if (args[6] instanceof Map && args[6].size > 0) {
        throw formatError(
          file,
          'a tensor is a negated or conjugated view. Save it with .resolve_neg().resolve_conj().',
        );
      }
      return rebuild(args);
    },
    'torch._utils._rebuild_tensor_v3': ([storage, offset, shape, strides, , , dtype]) => {
      if (!(dtype instanceof TypeName)) throw wrong('a tensor');
      return makeTensor(storage, dtype.dtype, offset, shape, strides);
    },
    'torch._utils._rebuild_parameter': ([data]) => data,
    'torch._utils._rebuild_parameter_with_state': ([data]) => data,
    'torch._tensor._rebuild_from_type_v2': ([make, , args]) => {
      const call = (make as PickleGlobal | null)?.call;
      if (typeof call !== 'function' || !Array.isArray(args) || make === from) throw wrong('a tensor');
      return call(args);
    },
    'torch.nn.parameter.Parameter': ([data]) => data,
    'torch.Tensor': undefined,
    'torch.Size': ([sizes]) => sizes,
    'collections.OrderedDict': ([pairs]) => orderedDict(pairs),
    'collections.defaultdict': () => new Map(),
    'collections.Counter': ([counts]) => counts,
    'builtins.set': ([items]) => new Set(Array.isArray(items) ? items : []),
    '__builtin__.set': ([items]) => new Set(Array.isArray(items) ? items : []),
    // How protocol 2 spells bytes. Their content is text in Latin-1, and no tensor is made of it.
    '_codecs.encode': ([text]) => text,
  };

  const orderedDict = (pairs: unknown): Map<unknown, unknown> => {
    if (pairs === undefined) return new Map();
    const isPair = (pair: unknown): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2;
    if (!Array.isArray(pairs) || !pairs.every(isPair)) throw wrong('an OrderedDict');
    return new Map(pairs);
  };

  const globals = new Map<string, PickleGlobal>();
  for (const [name, call] of Object.entries(calls)) globals.set(name, call === undefined ? { name } : { name, call });
  const from = globals.get('torch._tensor._rebuild_from_type_v2');
  for (const name of inert) globals.set(name, { name, call: () => name });
  for (const [name, dtype] of Object.entries(storageTypes)) {
    for (const module of ['torch', 'torch.cuda']) globals.set(`${module}.${name}`, new TypeName(name, dtype));
  }
  for (const name of ['torch.storage.UntypedStorage', 'torch.UntypedStorage']) {
    globals.set(name, new TypeName(name, 'uint8'));
  }
  for (const dtype of scalarTypes) globals.set(`torch.${dtype}`, new TypeName(dtype, dtype));
  return globals;
}

/**
 * Reads persistent ids, `('storage', type, key, location, count[, view])`, into storages. The location ("cpu", "cuda:0")
 * is where the tensor lived and does not matter here.
 */
export function storageReader(file: string): (id: unknown) => TorchStorage {
  return (id) => {
    const [kind, type, key, , count, view] = Array.isArray(id) ? id : [];
    const named = typeof key === 'string' || typeof key === 'number';
    if (kind !== 'storage' || !(type instanceof TypeName) || !named || checkedSize([count]) === undefined) {
      throw formatError(file, `the pickle refers to something that is not a tensor storage. ${FETCH_AGAIN}`);
    }
    return new TorchStorage(String(key), type.dtype, count as number, storagePart(file, view));
  };
}

function storagePart(file: string, view: unknown): TorchStorage['part'] {
  if (view === null || view === undefined) return undefined;
  const [, offset, count] = Array.isArray(view) ? view : [];
  if (checkedSize([offset]) === undefined || checkedSize([count]) === undefined) {
    throw formatError(file, `the pickle describes an impossible part of a storage. ${FETCH_AGAIN}`);
  }
  return { offset: offset as number, count: count as number };
}

/** Makes tensors out of descriptions, given the bytes of each storage. */
export class Materializer {
  readonly #file: string;
  readonly #storageBytes: (storage: TorchStorage) => Uint8Array;
  readonly #elements = new Map<string, TypedArrayOf[DType]>();
  readonly #done = new Map<TorchTensor, Tensor>();
  /** Bytes that may still be copied: without a limit, a stride of 0 would make a small file fill the memory. */
  #budget: number;

  constructor(file: string, fileLength: number, storageBytes: (storage: TorchStorage) => Uint8Array) {
    this.#file = file;
    this.#storageBytes = storageBytes;
    this.#budget = 2 ** 26 + 8 * fileLength;
  }

  /** A view of the file where the tensor is dense and aligned, else a dense copy. */
  tensor(name: string, t: TorchTensor): Tensor {
    const made = this.#done.get(t) ?? this.#make(name, t);
    this.#done.set(t, made);
    return made;
  }

  #make(name: string, t: TorchTensor): Tensor {
    const { dtype, shape, strides, storage } = t;
    const elements = this.#storage(name, storage, dtype);
    const size = checkedSize(shape) as number;
    const first = t.offset + (storage.part?.offset ?? 0);
    const last = shape.reduce((at, d, axis) => at + (d - 1) * (strides[axis] as number), first);
    const end = storage.part === undefined ? elements.length : storage.part.offset + storage.part.count;
    if (end > elements.length || (size > 0 && last >= end)) {
      throw formatError(
        this.#file,
        `tensor ${quote(name)} (${dtype} ${formatShape(shape)}) reaches element ${last} of a storage of ${elements.length}. ${FETCH_AGAIN}`,
      );
    }
    const data = this.#isDense(shape, strides)
      ? elements.subarray(first, first + size)
      : this.#copy(name, t, first, size);
    return { dtype, shape, data };
  }

  /** Strides of axes of length 1 say nothing, and an empty tensor needs none. */
  #isDense(shape: readonly number[], strides: readonly number[]): boolean {
    const dense = denseStrides(shape);
    return shape.includes(0) || shape.every((d, axis) => d === 1 || strides[axis] === dense[axis]);
  }

  #copy(name: string, t: TorchTensor, first: number, size: number): TypedArrayOf[DType] {
    this.#budget -= size * bytesPerElement(t.dtype);
    if (this.#budget < 0) {
      throw formatError(
        this.#file,
        `tensor ${quote(name)} repeats a few stored numbers up to ${formatShape(t.shape)}. Refused: expanded, the tensors ` +
          'would take far more memory than the file. Save them with .contiguous() instead.',
      );
    }
    return gather(t.dtype, this.#storage(name, t.storage, t.dtype), t.shape, t.strides, first);
  }

  #storage(name: string, storage: TorchStorage, dtype: DType): TypedArrayOf[DType] {
    const id = `${dtype} ${storage.key}`;
    const known = this.#elements.get(id);
    if (known !== undefined) return known;
    const bytes = this.#storageBytes(storage);
    const expected = storage.count * bytesPerElement(storage.dtype);
    if (bytes.length < expected) {
      throw formatError(
        this.#file,
        `the storage of tensor ${quote(name)} is too short. Expected ${expected} bytes (${storage.count} of ${storage.dtype}), received ${bytes.length}. ${FETCH_AGAIN}`,
      );
    }
    const elements = readElements(dtype, bytes, 0, Math.floor(expected / bytesPerElement(dtype)));
    // Here and not per tensor, of which any number may share the storage.
    checkBools(this.#file, name, dtype, elements, [elements.length]);
    this.#elements.set(id, elements);
    return elements;
  }
}
