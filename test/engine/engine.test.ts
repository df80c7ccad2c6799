/** @file What an engine promises, on every backend. */

import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { nativeByDefault, nativeInstalled } from '../../src/engine/ort-library.js';
import { PixelwiseError } from '../../src/errors.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { floats, type NamedTensors, type Tensor, tensor, zeros } from '../../src/graph/tensor.js';

/** A graph with input x of the given shape. */
function graphOf(shape: readonly number[], draw: (b: GraphBuilder, x: Value) => void): Graph {
  const b = new GraphBuilder('test');
  draw(b, b.input('x', 'float32', shape));
  return b.finish();
}

async function failure(work: Promise<unknown>): Promise<PixelwiseError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(PixelwiseError);
  return error as PixelwiseError;
}

/** Some tenths of a second of work on one thread. */
const slowSize = 1024;
const slow = (): Graph =>
  graphOf([slowSize, slowSize], (b, x) => {
    let y = x;
    for (let i = 0; i < 40; i++) y = b.op('MatMul', [y, x], {});
    b.output('y', b.reduceSum(y, [0, 1]));
  });
const slowFeed = () => ({ x: zeros('float32', [slowSize, slowSize]) });

const backends = ['node', 'native'] as const;

describe.each(backends)('backend %s', (backend) => {
  // Without the optional package there is nothing to test, but that must be seen.
  const missing = backend === 'native' && !nativeInstalled();
  const test = it.skipIf(missing);
  let engine: Engine;
  beforeAll(() => {
    engine = createNodeEngine({ backend, threads: 1 });
  });
  afterAll(() => engine.close());

  const stateOf = (entries: Record<string, Tensor>) => engine.createState(new Map(Object.entries(entries)));
  const numbers = (t: Tensor | undefined) => Array.from(t!.data as Float32Array);

  test('runs a graph and says what it runs on', async () => {
    const program = await engine.compile(
      graphOf([2, 2], (b, x) => {
        b.output('sum', b.reduceSum(x, [0, 1]));
        b.output('whole', b.cast(x, 'int64'));
      }),
    );
    const { sum, whole } = await program.run({ x: floats([2, 2], [1, 2, 3, 4]) });
    expect(sum).toEqual(floats([], [10]));
    expect(whole).toEqual(tensor('int64', [2, 2], BigInt64Array.of(1n, 2n, 3n, 4n)));
    expect(engine.device).toBe(backend === 'native' ? 'native' : 'cpu');
  });

  test.each([
    ['float32', Float32Array.of(1.5, -2)],
    ['int64', BigInt64Array.of(2n ** 40n, -1n)],
    ['uint8', Uint8Array.of(0, 255)],
    ['bool', Uint8Array.of(0, 1)],
    ['float16', Uint16Array.of(0x3c00, 0xc000)],
  ] as const)('passes %s through', async (dtype, data) => {
    const b = new GraphBuilder('test');
    b.output('y', b.reshape(b.input('x', dtype, [2]), [2, 1]));
    const program = await engine.compile(b.finish());
    const { y } = await program.run({ x: tensor(dtype, [2], data as never) });
    expect(y!.dtype).toBe(dtype);
    expect(y!.shape).toEqual([2, 1]);
    expect(new Uint8Array(y!.data.buffer)).toEqual(new Uint8Array(data.buffer));
  });

  test('leaves the caller its feeds, or takes them over', async () => {
    const program = await engine.compile(graphOf([3], (b, x) => b.output('y', b.mul(x, b.scalar(2)))));
    const x = floats([3], [1, 2, 3]);
    await program.run({ x });
    expect(x.data.length).toBe(3);
    const { y } = await program.run({ x }, { transferFeeds: true });
    expect(numbers(y)).toEqual([2, 4, 6]);
    expect(x.data.length).toBe(0);
  });

  test('refuses feeds of another shape or type, and missing ones, by name', async () => {
    const program = await engine.compile(graphOf([2, 3], (b, x) => b.output('y', b.relu(x))));
    for (const x of [floats([3, 2], new Float32Array(6)), tensor('int32', [2, 3], new Int32Array(6))]) {
      const error = await failure(program.run({ x }));
      expect(error.code).toBe('ERR_SHAPE');
      expect(error.message).toMatch(/expects float32 2x3 for input 'x', received (float32 3x2|int32 2x3)/);
    }
    expect((await failure(program.run({}))).message).toContain('received nothing');
  });

  test('reports what ONNX Runtime says of a run that fails, and goes on', async () => {
    const b = new GraphBuilder('test');
    const indices = b.input('i', 'int64', [1]);
    const y = b.op('ScatterElements', [b.constant(floats([2], [0, 0])), indices, b.constant(floats([1], [7]))], {
      axis: 0,
      reduction: 'none',
    });
    b.output('y', y);
    const program = await engine.compile(b.finish());
    const error = await failure(program.run({ i: tensor('int64', [1], BigInt64Array.of(9n)) }));
    expect(error.code).toBe('ERR_ENGINE');
    expect(error.message).toMatch(/could not run the graph: .*ScatterElements/s);
    const { y: right } = await program.run({ i: tensor('int64', [1], BigInt64Array.of(1n)) });
    expect(numbers(right)).toEqual([0, 7]);
  });

  test('refuses a graph whose parameters nobody holds', async () => {
    const graph = graphOf([2], (b, x) => b.output('y', b.mul(x, b.parameter('w', [2]))));
    const error = await failure(engine.compile(graph));
    expect(error.code).toBe('ERR_ENGINE');
    expect(error.message).toContain('neither weights nor state hold w');
    const state = await stateOf({ w: floats([2], [1, 1]) });
    const wrong = failure(engine.compile(graph, { state, updates: { z: 'w' } }));
    expect((await wrong).message).toContain("no output 'z'");
  });

  test('takes weights inside and beside the model', async () => {
    const size = 4096;
    const graph = graphOf([size], (b, x) =>
      b.output('y', b.add(b.mul(x, b.parameter('large', [size])), b.parameter('small', [1]))),
    );
    const weights: NamedTensors = new Map([
      ['large', floats([size], new Float32Array(size).fill(3))],
      ['small', floats([1], [0.5])],
    ]);
    const copied = await engine.compile(graph, { weights });
    const moved = await engine.compile(graph, { weights, transferWeights: true });
    expect(weights.get('large')!.data.length).toBe(0);
    const x = floats([size], new Float32Array(size).fill(2));
    for (const program of [copied, moved, copied]) {
      const { y } = await program.run({ x });
      expect(new Set(numbers(y))).toEqual(new Set([6.5]));
    }
  });

  test('copies a state in, or takes its buffers over', async () => {
    const mine = floats([2], [1, 2]);
    const state = await engine.createState(new Map([['a', mine]]));
    expect(mine.data.length).toBe(2);
    await state.write(new Map([['b', mine]]), { transfer: true });
    expect(mine.data.length).toBe(0);
    expect([...(await state.read()).keys()]).toEqual(['a', 'b']);
    expect(numbers((await state.read(['b'])).get('b'))).toEqual([1, 2]);
    expect((await failure(state.read(['c']))).message).toContain("no tensor 'c'");
  });

  test('keeps updates by elements in place, run after run', async () => {
    const state = await stateOf({ w: floats([2], [10, 20]) });
    const graph = graphOf([2], (b, x) => b.output('new', b.sub(b.parameter('w', [2]), x)));
    const program = await engine.compile(graph, { state, updates: { new: 'w' } });
    for (let i = 0; i < 3; i++) expect(await program.run({ x: floats([2], [1, 2]) })).toEqual({});
    expect(numbers((await state.read()).get('w'))).toEqual([7, 14]);
  });

  test('swaps an update that another operator races with', async () => {
    // Written in place, this update was seen to come before the product.
    const n = 256;
    const state = await stateOf({ w: floats([n, n], new Float32Array(n * n).fill(3)) });
    const graph = graphOf([n, n], (b, x) => {
      const w = b.parameter('w', [n, n]);
      b.output('y', b.op('MatMul', [x, w], {}));
      b.output('new', b.sub(w, x));
    });
    const program = await engine.compile(graph, { state, updates: { new: 'w' } });
    const x = floats([n, n], new Float32Array(n * n).fill(1));
    for (const weight of [3, 2, 1]) {
      const { y } = await program.run({ x });
      expect(new Set(numbers(y))).toEqual(new Set([weight * n]));
    }
    expect(new Set(numbers((await state.read()).get('w')))).toEqual(new Set([0]));
  });

  test('keeps an output that the state did not hold', async () => {
    const state = await stateOf({});
    const program = await engine.compile(
      graphOf([2], (b, x) => b.output('y', b.mul(x, x))),
      { state, updates: { y: 'square' } },
    );
    await program.run({ x: floats([2], [2, 3]) });
    await program.run({ x: floats([2], [4, 5]) });
    expect(numbers((await state.read()).get('square'))).toEqual([16, 25]);
  });

  test('reads and updates stretches of a state tensor, in any shape', async () => {
    const state = await stateOf({ w: floats([6], [0, 1, 2, 3, 4, 5]) });
    const graph = graphOf([2, 1], (b, x) => {
      const part = b.parameter('part', [2, 1]);
      b.output('added', b.add(part, x));
      b.output('turned', b.transpose(b.parameter('rest', [1, 2]), [1, 0]));
    });
    const program = await engine.compile(graph, {
      state,
      places: { part: { tensor: 'w', start: 1 }, rest: { tensor: 'w', start: 4 } },
      updates: { added: { tensor: 'w', start: 1 }, turned: { tensor: 'w', start: 3 } },
    });
    await program.run({ x: floats([2, 1], [10, 20]) });
    const { w } = Object.fromEntries(await state.read());
    expect(w!.shape).toEqual([6]);
    expect(numbers(w)).toEqual([0, 11, 22, 4, 5, 5]);
    const beyond = await engine.compile(
      graphOf([2], (b, x) => b.output('y', b.add(x, b.parameter('p', [2])))),
      { state, places: { p: { tensor: 'w', start: 5 } } },
    );
    const error = await failure(beyond.run({ x: floats([2], [0, 0]) }));
    expect(error.message).toContain("'w' is too small. Expected 2 elements (2) from 5 on, received 6");
  });

  test('knows programs and states that were disposed', async () => {
    const state = await stateOf({ w: floats([1], [1]) });
    const graph = graphOf([1], (b, x) => b.output('y', b.mul(x, b.parameter('w', [1]))));
    const [first, second] = [await engine.compile(graph, { state }), await engine.compile(graph, { state })];
    const x = floats([1], [2]);
    await first.dispose();
    await first.dispose();
    expect((await failure(first.run({ x }))).code).toBe('ERR_CLOSED');
    await state.dispose();
    expect((await failure(second.run({ x }))).code).toBe('ERR_CLOSED');
    expect((await failure(state.read())).code).toBe('ERR_CLOSED');
  });

  test('gives back the memory of disposed programs', async () => {
    const size = 2 ** 21;
    const graph = graphOf([size], (b, x) => b.output('y', b.mul(x, b.parameter('w', [size]))));
    const cycle = async () => {
      const program = await engine.compile(graph, { weights: new Map([['w', zeros('float32', [size])]]) });
      await program.run({ x: zeros('float32', [size]) }, { transferFeeds: true });
      await program.dispose();
    };
    for (let i = 0; i < 8; i++) await cycle();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 24; i++) await cycle();
    // A leak would be 24 times 8 MB of weights and as much of maps.
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
  });

  test('leaves the event loop free', { retry: 3 }, async () => {
    const program = await engine.compile(slow());
    const x = slowFeed();
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const began = performance.now();
    await program.run(x, { transferFeeds: true });
    clearInterval(timer);
    const duration = performance.now() - began;
    expect(duration).toBeGreaterThan(500);
    // On a machine with more work than processors the timer also waits for other processes.
    const busy = loadavg()[0]! > availableParallelism() + 1;
    expect(longest).toBeLessThanOrEqual(busy ? duration / 4 : 50);
  });

  test('never starts a run whose signal came first', async () => {
    const state = await stateOf({ runs: floats([1], [0]) });
    const graph = graphOf([1], (b, x) => b.output('more', b.add(b.parameter('runs', [1]), x)));
    const program = await engine.compile(graph, { state, updates: { more: 'runs' } });
    const x = floats([1], [1]);
    const reason = new Error('enough');
    await expect(program.run({ x }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const first = program.run({ x });
    const second = program.run({ x }, { signal: stop.signal });
    stop.abort(reason);
    await expect(second).rejects.toBe(reason);
    await first;
    await program.run({ x });
    expect(numbers((await state.read()).get('runs'))).toEqual([2]);
  });

  test('stops waiting for a run when the signal comes, and runs on', async () => {
    const program = await engine.compile(slow());
    const stop = new AbortController();
    const began = performance.now();
    const run = program.run(slowFeed(), { signal: stop.signal }).catch((e: unknown) => e);
    await wait(20);
    stop.abort();
    expect(await run).toBe(stop.signal.reason);
    expect(performance.now() - began).toBeLessThan(450);
    expect((await program.run(slowFeed())).y!.data[0]).toBe(0);
  });

  it.skipIf(missing || backend === 'node')('ends a run when its signal comes', { retry: 3 }, async () => {
    const program = await engine.compile(slow());
    const whole = performance.now();
    await program.run(slowFeed());
    const duration = performance.now() - whole;
    const stop = new AbortController();
    const began = performance.now();
    const run = program.run(slowFeed(), { signal: stop.signal }).catch((e: unknown) => e);
    await wait(20);
    stop.abort();
    await run;
    // The next one waits for the thread, which is free at once.
    const quick = await engine.compile(graphOf([1], (b, x) => b.output('y', b.relu(x))));
    await quick.run({ x: floats([1], [1]) });
    expect(performance.now() - began).toBeLessThan(duration / 2);
    expect((await program.run(slowFeed(), { signal: new AbortController().signal })).y!.data[0]).toBe(0);
  });

  test('rejects everything once closed, without waiting for what runs', async () => {
    const other = createNodeEngine({ backend, threads: 1 });
    const program = await other.compile(slow());
    const running = failure(program.run(slowFeed()));
    await wait(20);
    const closing = other.close();
    expect((await running).code).toBe('ERR_CLOSED');
    await closing;
    await other.close();
    expect((await failure(program.run(slowFeed()))).code).toBe('ERR_CLOSED');
    expect((await failure(other.createState(new Map()))).message).toContain('The engine was closed');
  });
});

describe('an engine with two lanes', () => {
  it('runs two at a time, each with its own copy, and gives the same', async () => {
    await using engine = createNodeEngine({ threads: 2, lanes: 2 });
    expect(engine.lanes).toBe(2);
    const graph = graphOf([2], (b, x) => b.output('y', b.mul(x, b.parameter('w', [2]))));
    const program = await engine.compile(graph, { weights: new Map([['w', floats([2], [2, 3])]]) });
    const runs = Array.from({ length: 20 }, (_, i) => program.run({ x: floats([2], [i, 1]) }));
    const answers = await Promise.all(runs);
    expect(answers.map((a) => [...(a.y!.data as Float32Array)])).toEqual(answers.map((_, i) => [2 * i, 3]));
    await program.dispose();
  });

  it('lets a quick run by while another lane is busy', async () => {
    await using engine = createNodeEngine({ threads: 2, lanes: 2 });
    const [long, quick] = await Promise.all([
      engine.compile(slow()),
      engine.compile(graphOf([1], (b, x) => b.output('y', b.relu(x)))),
    ]);
    // A program that seldom runs would wait for the lane that has it.
    for (let i = 0; i < 5; i++) await quick.run({ x: floats([1], [1]) });
    let isOver = false;
    const running = long.run(slowFeed()).then(() => {
      isOver = true;
    });
    await quick.run({ x: floats([1], [1]) });
    expect(isOver).toBe(false);
    await running;
  });

  it('begins no further thread once closed', async () => {
    const engine = createNodeEngine({ threads: 2, lanes: 2 });
    const program = await engine.compile(graphOf([1], (b, x) => b.output('y', b.relu(x))));
    // Often enough for a second lane, which none of these needs.
    for (let i = 0; i < 5; i++) await program.run({ x: floats([1], [1]) });
    await engine.close();
    const runs = [1, 2].map(() => failure(program.run({ x: floats([1], [1]) })));
    expect((await Promise.all(runs)).map((e) => e.code)).toEqual(['ERR_CLOSED', 'ERR_CLOSED']);
  });

  it('runs what has a state one at a time', async () => {
    await using engine = createNodeEngine({ threads: 2, lanes: 2 });
    const state = await engine.createState(new Map([['sum', floats([1], [0])]]));
    const b = new GraphBuilder('count');
    b.output('next', b.add(b.parameter('sum', [1]), b.input('x', 'float32', [1])));
    const program = await engine.compile(b.finish(), { state, updates: { next: 'sum' } });
    await Promise.all(Array.from({ length: 10 }, () => program.run({ x: floats([1], [1]) })));
    expect((await state.read()).get('sum')!.data[0]).toBe(10);
  });
});

describe('backend auto', () => {
  it('runs on what is installed', async () => {
    await using engine = createNodeEngine({ backend: 'auto', threads: 1 });
    const program = await engine.compile(graphOf([1], (b, x) => b.output('y', b.relu(x))));
    expect((await program.run({ x: floats([1], [-1]) })).y!.data[0]).toBe(0);
    expect(engine.device).toBe(nativeByDefault() ? 'native' : 'cpu');
  });
});
