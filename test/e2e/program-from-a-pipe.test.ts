/** @file A program that is typed or piped into Node can start an engine: its threads are files all the same. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const program = `
  import { createNodeEngine } from 'pixelwise/engine';
  import { floats, GraphBuilder } from 'pixelwise/graph';
  const b = new GraphBuilder('double');
  const x = b.input('x', 'float32', [2]);
  b.output('y', b.add(x, x));
  const engine = createNodeEngine();
  const { y } = await (await engine.compile(b.finish(), { weights: new Map() })).run({ x: floats([2], [1, 2]) });
  console.log([...y.data].join());
  await engine.close();
`;

it.each([['--input-type=module'], ['--input-type', 'module']])('%j', async (...flags) => {
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--eval', program], { cwd });
  expect(stdout).toBe('2,4\n');
});
