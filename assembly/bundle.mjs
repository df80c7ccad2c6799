/**
 * @file Puts the code of `pixelwise segment` into three files: dist/cli/start.cjs, which starts the thread of dist/engine/node-worker.cjs
 * and then loads dist/cli/segment.cjs. Node reads three files in a fraction of the time that it takes for two hundred, and CommonJS
 * needs no module loader to start first.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const installed = JSON.stringify(fileURLToPath(new URL('installed.cjs', import.meta.url)));
const require = createRequire(import.meta.url);

/** Packages that are seldom needed stay outside, and commands that load their own files. */
const outside = [/^(koffi|h5wasm)/, /\/cli\/main\.js$/, /\/cli\/commands\/(?!segment\.js)/];

/** Files that are found beside a module lie elsewhere from where its code goes; the bundled engine's thread is the bundled one. */
const places = [
  ['/engine/thread.js', "'./node-worker.js'", "'../engine/node-worker.cjs'"],
  ['/kernels.js', "'./'", "'../'"],
];

/** A package with machine code, whose JavaScript is taken along: up to a hundred small files. The machine code stays where it is. */
async function takenAlong(name) {
  const { version } = JSON.parse(await readFile(join(require.resolve(name), '../../package.json'), 'utf8'));
  return `require(${installed}).load('${name}', '${version}', () => require('${name}'))`;
}

const ownRequire = (name) => `require(${installed}).requireOf('${name}')(`;

const changes = [
  ...places,
  ['/image/sharp.js', "createRequire(import.meta.url)('sharp')", await takenAlong('sharp')],
  [
    '/engine/ort-node.js',
    "import * as ort from 'onnxruntime-node';",
    `const ort = ${await takenAlong('onnxruntime-node')};`,
  ],
  ['/sharp/dist/sharp.cjs', /require\((?=["'`](@img\/|\.\.\/src\/build))/g, ownRequire('sharp')],
  ['/sharp/dist/libvips.cjs', /require\((?=["'`]@img\/)/g, ownRequire('sharp')],
  ['/sharp/dist/utility.cjs', /require\((?=["'`]@img\/)/g, ownRequire('sharp')],
  ['/onnxruntime-node/dist/binding.js', 'require(`../bin', `${ownRequire('onnxruntime-node')}\`../bin`],
];

const changed = {
  name: 'changed',
  transform(code, id) {
    const change = changes.find(([file]) => id.endsWith(file));
    if (!change) return null;
    const [, from, to] = change;
    const result = code.replaceAll(from, to);
    if (result === code) throw new Error(`${id} is not as assembly/bundle.mjs expects it.`);
    return result;
  },
};

/** The folder of the package a module belongs to; undefined for the project's own. */
const packageOf = (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0];

async function bundle(name) {
  const built = await rolldown({
    input: `${dist}${name}.js`,
    platform: 'node',
    plugins: [changed],
    external: (id, from) => from !== undefined && outside.some((pattern) => pattern.test(id)),
  });
  const options = { file: `${dist}${name}.cjs`, format: 'cjs', minify: true, codeSplitting: false, comments: { legal: true } };
  const { output } = await built.write(options);
  await built.close();
  return output.flatMap(({ moduleIds = [] }) => moduleIds.flatMap((id) => packageOf(id) ?? []));
}

/** The terms of the packages whose code is in the bundles. */
async function terms(folders) {
  const texts = await Promise.all(
    [...new Set(folders)].sort().map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      const file = (await readdir(folder)).find((f) => /^licen[sc]e/i.test(f));
      return `${name} ${version} (${license})\n\n${file ? await readFile(join(folder, file), 'utf8') : ''}`;
    }),
  );
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

const packages = [];
for (const name of ['cli/start', 'cli/segment', 'engine/node-worker']) packages.push(...(await bundle(name)));
await writeFile(`${dist}LICENSES.txt`, await terms(packages));
