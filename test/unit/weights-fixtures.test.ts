/** @file Every weight file of the parity set, good and hostile, against the tensors that PyTorch, NumPy and ONNX saw in it. */

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { type NamedTensors, toFloat32 } from '../../src/graph/tensor.js';
import { readSafetensors, readWeights } from '../../src/weights/index.js';
import { fixture } from '../support/shared.js';

interface Case {
  file: string;
  desc: string;
  must_load: boolean;
  expected?: string;
  why?: string;
}

/** What the reference stored beside the numbers: the element types before its own conversion to float32. */
interface Reference {
  dtypes: Record<string, string>;
  shapes: Record<string, number[]>;
}

const load = (file: string) => new Uint8Array(readFileSync(fixture(`weights/${file}`)));
const cases = JSON.parse(readFileSync(fixture('weights/MANIFEST.json'), 'utf8')) as Case[];

const formatOf = (file: string) => file.slice(file.lastIndexOf('.') + 1);

/** The ONNX reference prefixes initialisers, to keep them apart from the model's input and output. */
function expectedOf(file: string): { tensors: NamedTensors; reference: Reference } {
  const { tensors, metadata } = readSafetensors(load(file), file);
  const reference = JSON.parse(metadata.case as string) as Reference;
  if (!file.includes('.onnx')) return { tensors, reference };
  const plain = (name: string) => name.slice('init.'.length);
  const named = <T>(record: Record<string, T>) =>
    Object.fromEntries(
      Object.entries(record)
        .filter(([name]) => name.startsWith('init.'))
        .map(([name, value]) => [plain(name), value]),
    );
  return {
    tensors: new Map([...tensors].filter(([name]) => name.startsWith('init.')).map(([name, t]) => [plain(name), t])),
    reference: { dtypes: named(reference.dtypes), shapes: named(reference.shapes) },
  };
}

describe.each(cases.filter((c) => c.must_load))('$file: $desc', ({ file, expected }) => {
  const { tensors, format } = readWeights(load(file), file);
  const { tensors: wanted, reference } = expectedOf(expected as string);

  it('is recognised by its content', () => {
    expect(format).toBe(formatOf(file));
    expect(readWeights(load(file), 'weights.bin').format).toBe(format);
  });

  it('reads the same from a Buffer that begins at any address', () => {
    const bytes = load(file);
    for (const shift of [1, 2, 3]) {
      const space = Buffer.alloc(bytes.length + 2 * shift);
      space.set(bytes, shift);
      const read = readWeights(space.subarray(shift, shift + bytes.length), file).tensors;
      for (const [name, t] of tensors) expect(read.get(name), name).toEqual(t);
    }
  });

  it('has the names, types and shapes of the reference', () => {
    expect([...tensors.keys()].sort()).toEqual([...wanted.keys()].sort());
    expect(Object.fromEntries([...tensors].map(([name, t]) => [name, t.dtype]))).toEqual(reference.dtypes);
    expect(Object.fromEntries([...tensors].map(([name, t]) => [name, t.shape]))).toEqual(reference.shapes);
  });

  it('has the numbers of the reference, exactly', () => {
    for (const [name, t] of wanted) {
      expect(toFloat32(tensors.get(name) as typeof t).data, name).toEqual(toFloat32(t).data);
    }
  });
});

/** What the message must tell about each hostile file. */
const said: Record<string, RegExp> = {
  'evil_zip.pth': /asks for the Python name "posix\.system"/,
  'evil_legacy.pth': /asks for the Python name "posix\.system"/,
  'trunc_plain_zip.pth': /the file is cut off/,
  'trunc_plain_legacy.pth': /the file is cut off\. Expected at least 2469 bytes, received 2011/,
  'empty.pth': /the file is empty/,
  'garbage.pth': /not that of any known weight file/,
  'short_storage.pth': /storage of tensor "w" is too short\. Expected 48 bytes \(12 of float32\), received 8/,
  'trunc.safetensors': /the file is cut off\. Expected 948 bytes of data, received 928/,
  'hugeheader.safetensors': /the header claims 1099511627776 bytes/,
  'trunc.caffemodel': /the file is cut off/,
  'trunc.onnx': /the file is cut off/,
};

describe.each(cases.filter((c) => !c.must_load))('$file: $desc', ({ file, why }) => {
  it(`is refused: ${why}`, () => {
    let error: unknown;
    try {
      readWeights(load(file), file);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PixelwiseError);
    const { code, message, subject } = error as PixelwiseError;
    expect(message).toContain(file);
    expect(subject).toBe(file);
    expect(code).toBe(file.startsWith('evil') ? 'ERR_UNSAFE' : 'ERR_FORMAT');
    expect(message).toMatch(said[file] as RegExp);
  });
});

it('runs nothing that a hostile file asks for', () => {
  expect(existsSync('/tmp/parity_pwned')).toBe(false);
});
