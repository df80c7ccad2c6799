/** @file Compiles the kernels into dist, each unless it is newer than all they are made of. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatePasses } from './generate.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const modules = [
  {
    source: 'index.ts',
    target: here('../dist/crf/kernels.wasm'),
    // The memory is shared, so that several threads can work on it; its size is only a limit.
    // The first page is the threads' (src/crf/team.ts); tables of the mathematical functions lie in its upper half.
    options: [
      ...['--memoryBase', '32768', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
      ...['--enable', 'threads'],
    ],
  },
  { source: 'kernels.ts', target: here('../dist/kernels.wasm'), options: ['--initialMemory', '1'] },
];

const age = (file) =>
  stat(file).then(
    (s) => s.mtimeMs,
    () => 0,
  );

async function upToDate(target) {
  const files = (await readdir(here('.'))).map((name) => here(name));
  const ages = await Promise.all(files.map(age));
  return Math.max(...ages) < (await age(target));
}

async function build({ source, target, options }) {
  const { default: asc } = await import('assemblyscript/asc');
  const output = new Map();
  const { error, stderr } = await asc.main(
    [
      source,
      ...['--outFile', 'kernels.wasm', '--runtime', 'stub', '-O3', '--noAssert'],
      ...['--enable', 'simd', '--enable', 'bulk-memory'],
      ...options,
    ],
    {
      readFile: (name) =>
        name.replace(/^\.\//, '') === 'passes.ts' ? generatePasses() : readFile(here(name), 'utf8').catch(() => null),
      writeFile: (name, contents) => output.set(name, contents),
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`The kernels of ${source} do not compile: ${error.message}\n${stderr}`);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, output.get('kernels.wasm'));
}

for (const module of modules) if (!(await upToDate(module.target))) await build(module);
