/**
 * @file `.safetensors`, the project's own checkpoint format: a JSON header with names, types, shapes and offsets, then
 * the raw little-endian data. The rules are those of the format's reference implementation (no holes, no overlaps).
 */

import { internal, PixelwiseError } from '../errors.js';
import { arrayType, bytesPerElement, type DType, formatShape, type NamedTensors, sizeOf } from '../graph/tensor.js';
import { checkBools, checkedSize, FETCH_AGAIN, formatError, quote, readElements } from './bytes.js';

const dtypeCodes: Readonly<Record<DType, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
const dtypes: ReadonlyMap<unknown, DType> = new Map(
  Object.entries(dtypeCodes).map(([dtype, code]) => [code, dtype as DType]),
);

/** The largest header that the reference implementation accepts, in bytes. */
const MAX_HEADER = 100_000_000;
const METADATA = '__metadata__';

/** True where `bytes` begin like a safetensors file: a length that no file exceeds, then a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}

interface Entry {
  name: string;
  dtype: DType;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Reads a `.safetensors` file.
 *
 * Tensors come in the header's order and are views into `bytes` where the data is aligned (copies where it is not): copy
 * before writing to them.
 *
 * @param bytes the whole file
 * @param name names the file in errors
 * @throws PixelwiseError `ERR_FORMAT` for anything that the format forbids; nothing is returned in part
 */
export function readSafetensors(
  bytes: Uint8Array,
  name = 'safetensors data',
): { tensors: NamedTensors; metadata: Record<string, string> } {
  const length = headerLength(bytes, name);
  const { header, keys } = parseHeader(bytes.subarray(8, 8 + length), name);
  const entries = keys.filter((key) => key !== METADATA).map((key) => readEntry(key, header[key], name));
  checkLayout(entries, bytes.length - 8 - length, name);

  const tensors: NamedTensors = new Map();
  for (const { name: key, dtype, shape, begin, end } of entries) {
    const data = readElements(dtype, bytes, 8 + length + begin, (end - begin) / bytesPerElement(dtype));
    checkBools(name, key, dtype, data, shape);
    tensors.set(key, { dtype, shape, data });
  }
  return { tensors, metadata: readMetadata(header, name) };
}

function headerLength(bytes: Uint8Array, name: string): number {
  if (bytes.length < 8) {
    throw formatError(name, `a safetensors file has at least 8 bytes, received ${bytes.length}. ${FETCH_AGAIN}`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER) {
    throw formatError(name, `the header claims ${length} bytes. Expected at most ${MAX_HEADER}. ${FETCH_AGAIN}`);
  }
  if (8 + Number(length) > bytes.length) {
    throw formatError(
      name,
      `the file is cut off: its header claims ${length} bytes, but only ${bytes.length - 8} follow. ${FETCH_AGAIN}`,
    );
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; keys: string[] } {
  let header: unknown;
  let text = '';
  try {
    // A byte order mark is no JSON: keep it, so that the parser refuses it.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw formatError(name, `the safetensors header is not JSON in UTF-8. ${FETCH_AGAIN}`, cause);
  }
  if (!isRecord(header)) throw formatError(name, `the safetensors header is not a JSON object. ${FETCH_AGAIN}`);
  return { header, keys: keysInOrder(text, name) };
}

/**
 * The keys of the outermost object in the order of the text, which `JSON.parse` loses for keys like "0". Refuses a key
 * that stands twice in any object, where `JSON.parse` would silently keep the last. `text` is known to be valid JSON.
 */
function keysInOrder(text: string, name: string): string[] {
  const open: Set<string>[] = [];
  const top: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{' || c === '[') open.push(new Set());
    else if (c === '}' || c === ']') open.pop();
    if (c !== '"') continue;
    const start = i;
    for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
    let next = i + 1;
    while (' \t\r\n'.includes(text[next] ?? '!')) next++;
    if (text[next] !== ':') continue;
    const key = JSON.parse(text.slice(start, i + 1)) as string;
    const seen = open.at(-1) as Set<string>;
    if (seen.has(key)) throw formatError(name, `the safetensors header holds ${quote(key)} twice. ${FETCH_AGAIN}`);
    seen.add(key);
    if (open.length === 1) top.push(key);
  }
  return top;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readMetadata(header: Record<string, unknown>, name: string): Record<string, string> {
  const metadata = Object.hasOwn(header, METADATA) ? header[METADATA] : {};
  if (isRecord(metadata) && Object.values(metadata).every((value) => typeof value === 'string')) {
    return metadata as Record<string, string>;
  }
  throw formatError(name, `${METADATA} of the safetensors header is not an object of strings. ${FETCH_AGAIN}`);
}

function readEntry(key: string, value: unknown, name: string): Entry {
  const wrong = (message: string) => formatError(name, `tensor ${quote(key)} ${message}`);
  if (!isRecord(value)) throw wrong(`has no description. Expected { dtype, shape, data_offsets }. ${FETCH_AGAIN}`);
  const dtype = dtypes.get(value.dtype);
  if (dtype === undefined) {
    throw wrong(
      `has the element type ${quote(String(value.dtype))}. Expected one of ${[...dtypes.keys()].join(', ')}. Convert it first.`,
    );
  }
  const size = Array.isArray(value.shape) ? checkedSize(value.shape) : undefined;
  if (size === undefined) {
    throw wrong(`has an impossible shape. Expected whole numbers from 0 up. ${FETCH_AGAIN}`);
  }
  const offsets = Array.isArray(value.data_offsets) ? value.data_offsets : [];
  if (offsets.length !== 2 || checkedSize(offsets.slice(0, 1)) === undefined || !Number.isSafeInteger(offsets[1])) {
    throw wrong(`has impossible data_offsets. Expected [begin, end]. ${FETCH_AGAIN}`);
  }
  const [begin, end] = offsets as [number, number];
  const shape = value.shape as number[];
  const bytes = size * bytesPerElement(dtype);
  if (end - begin !== bytes) {
    throw wrong(
      `takes bytes ${begin} to ${end}. Expected ${bytes} bytes for ${dtype} ${formatShape(shape)}, received ${end - begin}. ${FETCH_AGAIN}`,
    );
  }
  return { name: key, dtype, shape, begin, end };
}

function checkLayout(entries: readonly Entry[], available: number, name: string): void {
  let at = 0;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== at) {
      const fault = entry.begin > at ? 'leaves a hole before it' : 'overlaps another tensor';
      throw formatError(
        name,
        `tensor ${quote(entry.name)} ${fault}. Expected its data at byte ${at}, received ${entry.begin}. ${FETCH_AGAIN}`,
      );
    }
    at = entry.end;
  }
  if (at !== available) {
    const fault = at > available ? 'the file is cut off' : 'bytes follow the last tensor';
    throw formatError(name, `${fault}. Expected ${at} bytes of data, received ${available}. ${FETCH_AGAIN}`);
  }
}

/**
 * Writes tensors as a `.safetensors` file. Equal input gives equal bytes.
 *
 * The header keeps the order of `tensors`. The data lies from the widest element type to the narrowest and begins at a
 * multiple of 8 bytes, so that every tensor can be read back as a view.
 *
 * @throws PixelwiseError `ERR_USAGE` for names or metadata that JSON in UTF-8 cannot hold, or for a header over 100 MB
 */
export function writeSafetensors(tensors: NamedTensors, metadata: Record<string, string> = {}): Uint8Array {
  const begins = new Map<string, number>();
  let length = 0;
  const widestFirst = [...tensors].sort((a, b) => bytesPerElement(b[1].dtype) - bytesPerElement(a[1].dtype));
  for (const [name, t] of widestFirst) {
    if (t.data.length !== sizeOf(t.shape) || !(t.data instanceof arrayType(t.dtype))) {
      throw internal(`tensor ${quote(name)} does not hold ${t.dtype} ${formatShape(t.shape)}`);
    }
    begins.set(name, length);
    length += t.data.byteLength;
  }

  const header = headerBytes(tensors, begins, metadata);
  const out = new Uint8Array(8 + header.length + length);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  for (const [name, { data }] of tensors) {
    out.set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      8 + header.length + (begins.get(name) as number),
    );
  }
  return out;
}

function headerBytes(
  tensors: NamedTensors,
  begins: ReadonlyMap<string, number>,
  metadata: Record<string, string>,
): Uint8Array {
  // Joined by hand: an object would move names like "0" to the front.
  const parts: string[] = [];
  const meta = Object.entries(metadata);
  if (meta.length > 0) {
    parts.push(`"${METADATA}":{${meta.map(([key, value]) => `${jsonText(key)}:${jsonText(value)}`).join(',')}}`);
  }
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === METADATA) throw new PixelwiseError('ERR_USAGE', `A tensor cannot be named ${METADATA}. Rename it.`);
    const begin = begins.get(name) as number;
    const offsets = `[${begin},${begin + data.byteLength}]`;
    parts.push(
      `${jsonText(name)}:{"dtype":"${dtypeCodes[dtype]}","shape":[${shape.join(',')}],"data_offsets":${offsets}}`,
    );
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  if (padded.length > MAX_HEADER) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Names and metadata take ${padded.length} bytes. Expected at most ${MAX_HEADER}. Shorten them.`,
    );
  }
  padded.set(json);
  return padded;
}

function jsonText(text: string): string {
  // Half of a surrogate pair has no UTF-8 form: other readers would refuse the file.
  if (/\p{Surrogate}/u.test(text)) {
    throw new PixelwiseError('ERR_USAGE', `The name ${quote(text)} is not valid Unicode text. Rename it.`);
  }
  return JSON.stringify(text);
}
