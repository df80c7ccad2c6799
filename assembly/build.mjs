/** @file Compiles the kernels to dist/crf/kernels.wasm, unless that is newer than all they are made of. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { generatePasses } from './generate.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = here('../dist/crf/kernels.wasm');

const age = (file) =>
  stat(file).then(
    (s) => s.mtimeMs,
    () => 0,
  );

async function upToDate() {
  const files = (await readdir(here('.'))).map((name) => here(name));
  const ages = await Promise.all(files.map(age));
  return Math.max(...ages) < (await age(target));
}

async function build() {
  const { default: asc } = await import('assemblyscript/asc');
  const output = new Map();
  const { error, stderr } = await asc.main(
    [
      'index.ts',
      ...['--outFile', 'kernels.wasm', '--runtime', 'stub', '-O3', '--noAssert'],
      // The memory is shared, so that several threads can work on it; its size is only a limit.
      // The first page is the threads' (src/crf/team.ts); tables of the mathematical functions lie in its upper half.
      ...['--memoryBase', '32768', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
      ...['--enable', 'simd', '--enable', 'bulk-memory', '--enable', 'threads'],
    ],
    {
      readFile: (name) =>
        name.replace(/^\.\//, '') === 'passes.ts' ? generatePasses() : readFile(here(name), 'utf8').catch(() => null),
      writeFile: (name, contents) => output.set(name, contents),
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`The kernels do not compile: ${error.message}\n${stderr}`);
  await mkdir(here('../dist/crf'), { recursive: true });
  await writeFile(target, output.get('kernels.wasm'));
}

if (!(await upToDate())) await build();
