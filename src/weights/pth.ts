/**
 * @file PyTorch checkpoints: the zip format of `torch.save` since 1.6, and the stream of pickles before it
 * (`torch/serialization.py`). No Python name is ever called: see `torch-pickle.ts` for the list of those known.
 */

import type { NamedTensors } from '../graph/tensor.js';
import { bytesPerElement } from '../graph/tensor.js';
import { FETCH_AGAIN, formatError, guarded, quote } from './bytes.js';
import { unpickle } from './pickle.js';
import type { UnpickleContext } from './pickle-machine.js';
import { Materializer, storageReader, type TorchStorage, TorchTensor, torchGlobals } from './torch-pickle.js';
import { ZipArchive } from './zip.js';

/** The first of the pickles of a legacy stream: protocol 2, a fixed number of 10 bytes, STOP. */
const LEGACY_START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_VERSION = 1001;

/** Containers in containers: no checkpoint is deeper than a handful. */
const MAX_DEPTH = 100;
/** Bytes of bookkeeping for all names together: a list that stands many times in another one multiplies its tensors. */
const MAX_NAMES = 2 ** 24;
const BYTES_PER_NAME = 64;

/** True where `bytes` begin like the stream that `torch.save` wrote before PyTorch 1.6. */
export function isLegacyTorch(bytes: Uint8Array): boolean {
  return LEGACY_START.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads every tensor of a `.pth`, `.pt` or `.ckpt` file of PyTorch.
 *
 * Keys of nested dicts and indices of lists are joined with dots (`model.module.conv1.weight`,
 * `optimizer.state.0.momentum_buffer`); `stateDictOf` picks the network out of them. What is not a tensor (epoch, learning
 * rate, arguments) is left out. Tensors may be views into `bytes` and may share memory: copy before writing to them.
 *
 * @param bytes the whole file
 * @param name names the file in errors
 * @throws PixelwiseError `ERR_UNSAFE` when the file asks for a Python name that is not on the list, `ERR_FORMAT` when it
 *   is damaged; nothing is returned in part
 */
export function readPth(bytes: Uint8Array, name = 'PyTorch file'): NamedTensors {
  return guarded(name, 'PyTorch file', () => {
    if (bytes.length === 0) throw formatError(name, `the file is empty. ${FETCH_AGAIN}`);
    if (isLegacyTorch(bytes)) return readLegacy(bytes, name);
    if (bytes[0] === 0x50 && bytes[1] === 0x4b) return readZip(bytes, name);
    throw formatError(name, `neither a zip archive nor a legacy stream of torch.save. ${FETCH_AGAIN}`);
  });
}

function contextOf(file: string): UnpickleContext {
  return { file, globals: torchGlobals(file), persistent: storageReader(file) };
}

function readZip(bytes: Uint8Array, file: string): NamedTensors {
  const archive = new ZipArchive(bytes, file);
  const pickles = archive.names.filter((entry) => /^([^/]*\/)?data\.pkl$/.test(entry));
  const [path] = pickles;
  if (path === undefined || pickles.length > 1) {
    throw formatError(
      file,
      `a zip archive with ${pickles.length} data.pkl, so not one PyTorch checkpoint. If it holds weight files, unpack it first.`,
    );
  }
  const root = path.slice(0, -'data.pkl'.length);
  if (archive.names.includes(`${root}constants.pkl`)) {
    throw formatError(
      file,
      'a TorchScript program. In Python, load it with torch.jit.load and torch.save its state_dict().',
    );
  }
  const order = archive.read(`${root}byteorder`);
  if (order !== undefined && new TextDecoder().decode(order) !== 'little') {
    throw formatError(file, 'written on a big-endian machine. Load and save it again in PyTorch on another one.');
  }
  const pickle = archive.read(path) as Uint8Array;
  const { value } = unpickle(pickle, 0, contextOf(file));
  const storages = new Map<string, Uint8Array>();
  return collect(value, file, bytes.length, ({ key }) => {
    const content = storages.get(key) ?? archive.read(`${root}data/${key}`);
    if (content === undefined) throw formatError(file, `the storage ${quote(key)} is missing. ${FETCH_AGAIN}`);
    storages.set(key, content);
    return content;
  });
}

/** Five pickles (magic, version, machine, object, storage keys), then each storage: its length and its bytes. */
function readLegacy(bytes: Uint8Array, file: string): NamedTensors {
  const context = contextOf(file);
  const known = new Map<string, TorchStorage>();
  const next = (start: number) => unpickle(bytes, start, context);
  const version = next(LEGACY_START.length);
  if (version.value !== LEGACY_VERSION) {
    throw formatError(file, `a legacy PyTorch file of an unknown version. Expected ${LEGACY_VERSION}. ${FETCH_AGAIN}`);
  }
  const machine = next(version.end);
  if (!(machine.value instanceof Map) || machine.value.get('little_endian') !== true) {
    throw formatError(file, 'written on a big-endian machine. Load and save it again in PyTorch on another one.');
  }
  const object = unpickle(bytes, machine.end, {
    ...context,
    persistent: (id) => {
      const storage = storageReader(file)(id);
      known.set(storage.key, storage);
      return storage;
    },
  });
  const keys = next(object.end);
  const storages = readLegacyStorages(bytes, keys, known, file);
  return collect(object.value, file, bytes.length, ({ key }) => {
    const content = storages.get(key);
    if (content === undefined) throw formatError(file, `the storage ${quote(key)} is missing. ${FETCH_AGAIN}`);
    return content;
  });
}

function readLegacyStorages(
  bytes: Uint8Array,
  keys: { value: unknown; end: number },
  known: ReadonlyMap<string, TorchStorage>,
  file: string,
): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Uint8Array>();
  let at = keys.end;
  for (const key of Array.isArray(keys.value) ? keys.value.map(String) : []) {
    const storage = known.get(key);
    if (storage === undefined) throw formatError(file, `no tensor uses the storage ${quote(key)}. ${FETCH_AGAIN}`);
    const count = at + 8 <= bytes.length ? Number(view.getBigInt64(at, true)) : storage.count;
    if (count !== storage.count) {
      throw formatError(
        file,
        `the storage ${quote(key)} has ${count} elements. Expected ${storage.count}. ${FETCH_AGAIN}`,
      );
    }
    const from = at + 8;
    at = from + count * bytesPerElement(storage.dtype);
    if (at > bytes.length) {
      throw formatError(
        file,
        `the file is cut off. Expected at least ${at} bytes, received ${bytes.length}. ${FETCH_AGAIN}`,
      );
    }
    storages.set(key, bytes.subarray(from, at));
  }
  return storages;
}

/** Walks the unpickled object and gives every tensor in it the name of its path. */
function collect(
  root: unknown,
  file: string,
  fileLength: number,
  storageBytes: (storage: TorchStorage) => Uint8Array,
): NamedTensors {
  const materializer = new Materializer(file, fileLength, storageBytes);
  const tensors: NamedTensors = new Map();
  const holding = new Map<object, [key: unknown, item: unknown][]>();
  let names = 0;
  const tooDeep = () => formatError(file, `containers are nested deeper than ${MAX_DEPTH}. ${FETCH_AGAIN}`);

  /** The entries of a container in which tensors lie. Found once each, so that a shared container costs nothing. */
  const entriesOf = (value: Container, depth: number): [unknown, unknown][] => {
    if (depth > MAX_DEPTH) throw tooDeep();
    const known = holding.get(value);
    if (known !== undefined) return known;
    const found: [unknown, unknown][] = [];
    // Set before the search ends: a container met inside itself adds nothing.
    holding.set(value, []);
    let index = 0;
    for (const [key, item] of value.entries()) {
      const inside = item instanceof TorchTensor || (isContainer(item) && entriesOf(item, depth + 1).length > 0);
      if (inside) found.push([value instanceof Set ? index : key, item]);
      index++;
    }
    holding.set(value, found);
    return found;
  };

  const visit = (value: unknown, name: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw tooDeep();
    if (isContainer(value)) {
      for (const [key, item] of entriesOf(value, depth)) visit(item, join(name, key, file), depth + 1);
      return;
    }
    if (!(value instanceof TorchTensor)) return;
    names += name.length + BYTES_PER_NAME;
    if (names > MAX_NAMES) throw formatError(file, 'it names its tensors over and over again. Expected a state dict.');
    if (tensors.has(name)) throw formatError(file, `two tensors are named ${quote(name)}. ${FETCH_AGAIN}`);
    tensors.set(name, materializer.tensor(name, value));
  };

  visit(root, root instanceof TorchTensor ? 'tensor' : '', 0);
  return tensors;
}

type Container = Map<unknown, unknown> | Set<unknown> | unknown[];

function isContainer(value: unknown): value is Container {
  return value instanceof Map || value instanceof Set || Array.isArray(value);
}

function join(name: string, key: unknown, file: string): string {
  if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'boolean') {
    throw formatError(file, `a tensor in ${quote(name)} has a key that is neither text nor a number.`);
  }
  return name === '' ? String(key) : `${name}.${key}`;
}
