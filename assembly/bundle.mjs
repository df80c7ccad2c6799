/**
 * @file Puts the code of `pixelwise segment` into three files: dist/cli/start.cjs, which starts the thread of dist/engine/node-worker.cjs
 * and then loads dist/cli/segment.cjs. Node reads three files in a fraction of the time that it takes for two hundred, and CommonJS
 * needs no module loader to start first.
 */

import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

/** Packages with machine code stay outside, and commands that load their own files. */
const outside = [/^(sharp|onnxruntime-node|koffi|h5wasm)/, /\/cli\/main\.js$/, /\/cli\/commands\/(?!segment\.js)/];

/** Files that are found beside a module lie elsewhere from where its code goes; the bundled engine's thread is the bundled one. */
const places = [
  ['/engine/thread.js', "'./node-worker.js'", "'../engine/node-worker.cjs'"],
  ['/image/resample-kernel.js', "'./'", "'../image/'"],
  ['/image/paint-kernel.js', "'./'", "'../image/'"],
];

const ownPlaces = {
  name: 'own-places',
  transform(code, id) {
    const place = places.find(([file]) => id.endsWith(file));
    if (!place) return null;
    const [, from, to] = place;
    const changed = code.replace(from, to);
    if (changed === code) throw new Error(`${id} does not name its file where assembly/bundle.mjs expects it.`);
    return changed;
  },
};

async function bundle(name) {
  const built = await rolldown({
    input: `${dist}${name}.js`,
    platform: 'node',
    plugins: [ownPlaces],
    external: (id, from) => from !== undefined && outside.some((pattern) => pattern.test(id)),
  });
  const options = { file: `${dist}${name}.cjs`, format: 'cjs', minify: true, codeSplitting: false, comments: { legal: true } };
  await built.write(options);
  await built.close();
}

await bundle('cli/start');
await bundle('cli/segment');
await bundle('engine/node-worker');
