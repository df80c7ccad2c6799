/** @file What an engine says when its thread dies. */

import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { floats } from '../../src/graph/tensor.js';

const { workers } = vi.hoisted(() => ({ workers: [] as Worker[] }));
vi.mock('node:worker_threads', async (original) => {
  const actual = await original<typeof import('node:worker_threads')>();
  class Watched extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof actual.Worker>) {
      super(...args);
      workers.push(this);
    }
  }
  return { ...actual, Worker: Watched };
});
afterEach(() => workers.splice(0));

async function program(engine: ReturnType<typeof createNodeEngine>) {
  const b = new GraphBuilder('test');
  b.output('y', b.relu(b.input('x', 'float32', [1])));
  return engine.compile(b.finish());
}
const x = floats([1], [1]);

describe('a thread that dies', () => {
  it('rejects what runs and what comes after', async () => {
    const engine = createNodeEngine({ threads: 1 });
    const compiled = await program(engine);
    const running = compiled.run({ x });
    workers[0]!.emit('error', new Error('out of memory'));
    for (const work of [running, compiled.run({ x })]) {
      await expect(work).rejects.toMatchObject({
        code: 'ERR_ENGINE',
        message: "The engine's thread failed: out of memory",
      });
    }
    await engine.close();
  });

  it('is told from one that was closed', async () => {
    const engine = createNodeEngine({ threads: 1 });
    const compiled = await program(engine);
    await workers[0]!.terminate();
    await expect(compiled.run({ x })).rejects.toMatchObject({
      code: 'ERR_ENGINE',
      message: expect.stringContaining('ended unexpectedly (exit code 1)'),
    });
    await engine.close();
  });
});
