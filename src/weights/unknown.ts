/** @file What a file is that is not weights: the accidents that happen on the way from a web page to the disk. */

interface Accident {
  readonly what: string;
  readonly todo: string;
  readonly recognise: (bytes: Uint8Array, text: string) => boolean;
}

const starts =
  (...magic: number[]) =>
  (bytes: Uint8Array) =>
    magic.every((byte, i) => bytes[i] === byte);

const accidents: readonly Accident[] = [
  {
    what: 'the file is empty',
    todo: 'Download it again.',
    recognise: (bytes) => bytes.length === 0,
  },
  {
    what: 'the file is a web page, not weights',
    todo: 'The download led to a login, a confirmation or an error page: open it in a text editor to see which.',
    recognise: (_, text) => /^\s*(<!doctype html|<html|<head|<\?xml)/i.test(text),
  },
  {
    what: 'the file is a Git LFS pointer, not the weights themselves',
    todo: 'Run git lfs pull in its repository.',
    recognise: (_, text) => text.startsWith('version https://git-lfs'),
  },
  {
    what: 'the file is a Caffe network description, not weights',
    todo: 'The weights are in the .caffemodel file.',
    recognise: (_, text) => /^\s*(#.*\s+)*(name|layers?|input|input_dim)\s*[:{]/.test(text),
  },
  {
    what: 'the file is text, not weights',
    todo: 'Open it in a text editor to see what it says.',
    recognise: (_, text) => text.length > 0 && /^[\t\n\r\x20-\x7e]*$/.test(text),
  },
  {
    what: 'the file is compressed with gzip',
    todo: 'Unpack it first (gunzip or tar -xzf).',
    recognise: starts(0x1f, 0x8b),
  },
  {
    what: 'the file is a tar archive (PyTorch before 0.2 wrote such files)',
    todo: 'Unpack it, or load and save it again in PyTorch.',
    recognise: (bytes) => starts(0x75, 0x73, 0x74, 0x61, 0x72)(bytes.subarray(257)),
  },
  {
    what: 'the file is HDF5 (Keras .h5 or MATLAB 7.3)',
    todo: 'Convert it to .npz or .safetensors in Python.',
    recognise: starts(0x89, 0x48, 0x44, 0x46),
  },
  {
    what: 'the file is a MATLAB .mat file',
    todo: 'Convert it to .npz in Python (scipy.io.loadmat, numpy.savez).',
    recognise: (_, text) => text.startsWith('MATLAB 5.0 MAT-file'),
  },
  {
    what: 'the file is a Python pickle that torch.save did not write',
    todo: 'Load it in Python and save its arrays with numpy.savez.',
    recognise: (bytes) => bytes[0] === 0x80 && (bytes[1] as number) >= 2 && (bytes[1] as number) <= 5,
  },
];

/** What the content of an unknown file seems to be, and what to do about it. */
export function describeUnknown(bytes: Uint8Array): string {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 512));
  const accident = accidents.find(({ recognise }) => recognise(bytes, text));
  return accident === undefined
    ? 'the content is not that of any known weight file. Download or save it again.'
    : `${accident.what}. ${accident.todo}`;
}
