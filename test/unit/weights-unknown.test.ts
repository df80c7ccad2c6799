/** @file Files that are no weights at all: the message says what they seem to be. */

import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { readWeights, writeSafetensors } from '../../src/weights/index.js';

const text = (content: string) => new TextEncoder().encode(content);

describe('readWeights', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /the file is empty/],
    ['a web page', text('\n<!DOCTYPE html>\n<html><body>Sign in ü</body></html>'), /is a web page/],
    ['an XML error', text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /is a web page/],
    ['a Git LFS pointer', text('version https://git-lfs.github.com/spec/v1\noid sha256:00'), /git lfs pull/],
    ['a prototxt', text('# FCN\nname: "fcn"\nlayer { name: "data" }'), /\.caffemodel/],
    ['JSON', text('{"error": "not found"}'), /is text/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0), /gzip/],
    ['tar', new Uint8Array([...new Uint8Array(257), ...text('ustar')]), /tar archive/],
    ['HDF5', new Uint8Array([0x89, ...text('HDF\r\n\x1a\n')]), /HDF5/],
    ['MATLAB', new Uint8Array([...text('MATLAB 5.0 MAT-file, Platform: GLNXA64'), 0, 1]), /MATLAB/],
    ['a pickle', Uint8Array.of(0x80, 4, 0x95, 0, 0), /Python pickle/],
    ['noise', Uint8Array.from({ length: 600 }, (_, i) => (i * 89) ^ (i >> 2) ^ 0xa5), /not that of any known/],
    ['a file without tensors', writeSafetensors(new Map()), /without a single tensor/],
  ])('says what it sees in %s', (_, bytes, message) => {
    const read = () => readWeights(bytes, 'weights.pth');
    expect(read).toThrow(PixelwiseError);
    expect(read).toThrow(/^weights\.pth: /);
    expect(read).toThrow(message);
  });
});
