/** @file A cold start: from the command `pixelwise segment photo.jpg`, 500 x 375 pixels, to the files it writes. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from 'pixelwise';
import sharp from 'sharp';
import type { Bench } from './main.js';
import { median } from './side.js';

const root = new URL('../../', import.meta.url);
const photograph = fileURLToPath(new URL('examples/chelsea.jpg', root));
const command = fileURLToPath(new URL('dist/cli/start.cjs', root));

/** Runs the command in a process of its own; resolves to the seconds it took. */
function segment(args: readonly string[]): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, 'segment', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve((performance.now() - began) / 1000);
      else
        reject(new PixelwiseError('ERR_ENGINE', `'pixelwise segment' ended with code ${code}; its words are above.`));
    });
  });
}

export const coldSegment: Bench = {
  steps: 7,
  async run({ steps, say }) {
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-bench-'));
    try {
      const photo = join(folder, 'photo.jpg');
      await sharp(photograph).resize(500, 375, { fit: 'fill' }).jpeg({ quality: 90 }).toFile(photo);
      const seconds: number[] = [];
      for (let i = 0; i < steps; i++) {
        seconds.push(await segment([photo, '-o', folder]));
        say(`${i + 1}/${steps}: ${seconds[i]!.toFixed(3)} s`);
      }
      return { ours: median(seconds), unit: 's', seconds };
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};
