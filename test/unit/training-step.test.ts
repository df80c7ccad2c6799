/** @file What a training step asks of an engine: its graph, its feeds in order, and its dropout masks. */

import { describe, expect, it } from 'vitest';
import type { Engine, Program, State } from '../../src/engine/engine.js';
import type { Graph } from '../../src/graph/ir.js';
import { floats, type NamedTensors, sizeOf, type Tensor, tensor } from '../../src/graph/tensor.js';
import { type Network, networkGraph } from '../../src/nets/network.js';
import { draw } from '../../src/train/draws.js';
import { initialize } from '../../src/train/initialize.js';
import { type LossOptions, lossOutputs, objective } from '../../src/train/objective.js';
import { type StepOptions, TrainingStep } from '../../src/train/step.js';
import { toyNetwork } from '../support/training.js';

const size = [16, 16] as const;
const toy = (options: Parameters<typeof toyNetwork>[0] = {}): Graph =>
  networkGraph(toyNetwork(options), { size, batch: 2 });

interface Run {
  readonly program: string;
  readonly feeds: Readonly<Record<string, Tensor>>;
}
/** An engine that only notes what it is asked for; every loss is `loss`. */
function recorder(loss = 1): { engine: Engine; runs: Run[]; state: NamedTensors } {
  const runs: Run[] = [];
  const held: NamedTensors = new Map();
  const state: State = {
    read: async (names = [...held.keys()]) => new Map(names.map((n) => [n, held.get(n)!])),
    write: async (tensors) => {
      for (const [name, t] of tensors) held.set(name, t);
    },
    dispose: async () => undefined,
  };
  const engine: Engine = {
    device: 'paper',
    threads: 1,
    lanes: 1,
    start: async () => 'paper',
    createState: async (tensors) => {
      await state.write(tensors);
      return state;
    },
    compile: async (graph): Promise<Program> => ({
      run: async (feeds) => {
        runs.push({ program: graph.name, feeds });
        return { loss: floats([], [loss]) };
      },
      dispose: async () => undefined,
    }),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { engine, runs, state: held };
}

const options: StepOptions = { optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0 }, seed: 4 };
const input = () => ({
  image: floats([2, 3, 16, 16], new Float32Array(2 * 3 * 256)),
  labels: tensor('uint8', [2, 16, 16], new Uint8Array(512)),
});

describe('the objective', () => {
  it('puts out the loss and one gradient per trained parameter, never the scores', () => {
    const network = toy();
    const { graph, trained } = objective(network);
    const names = ['conv.weight', 'conv.bias', 'score.weight', 'score.bias'];
    expect(trained.map((p) => p.value.name)).toEqual(names);
    expect(graph.outputs.map((o) => o.name)).toEqual(['loss', ...names.map((n) => `gradient/${n}`)]);
    expect(graph.inputs.map((v) => [v.name, v.dtype, v.shape])).toEqual([
      ['image', 'float32', [2, 3, 16, 16]],
      ['labels', 'uint8', [2, 16, 16]],
    ]);
    for (const p of trained) {
      const gradient = graph.outputs.find((o) => o.name === `gradient/${p.value.name}`)!.value;
      expect(sizeOf(gradient.shape), p.value.name).toBe(sizeOf(p.value.shape));
    }
  });

  it('replaces running statistics only where batch normalisation learns', () => {
    const network = toy({ norm: true });
    expect(objective(network).statistics).toEqual({
      'running/bn.running_mean': 'bn.running_mean',
      'running/bn.running_var': 'bn.running_var',
    });
    const frozen = objective(network, { batchNorm: 'frozen', prefix: 'fresh/' });
    expect(frozen.statistics).toEqual({});
    expect(frozen.graph.outputs.map((o) => o.name)).toContain('fresh/bn.weight');
  });

  it('leaves the way to frozen layers out', () => {
    const network = toy();
    const frozen = network.parameters.map((p) => ({ ...p, trainable: p.value.name.startsWith('score') }));
    const part = objective({ ...network, parameters: frozen });
    expect(part.trained.map((p) => p.value.name)).toEqual(['score.weight', 'score.bias']);
    // The first layer's gradient is made from the image: without it, only the layer itself reads it.
    const readers = ({ inputs: [image], nodes }: Graph) => nodes.filter((n) => n.inputs.includes(image)).length;
    expect(readers(part.graph)).toBe(1);
    expect(readers(objective(network).graph)).toBeGreaterThan(1);
  });
});

describe('a step', () => {
  it('runs the gradients of every batch, then one update', async () => {
    const { engine, runs, state } = recorder(2.5);
    const network = toy();
    const step = await TrainingStep.create(engine, network, initialize(network.parameters, 1), {
      ...options,
      accumulate: 3,
    });
    expect([...state.keys()].filter((n) => n.startsWith('momentum/'))).toHaveLength(4);
    expect(await step.run([input(), input(), input()], 0, 0.1)).toEqual([2.5, 2.5, 2.5]);
    expect(runs.map((r) => r.program)).toEqual([
      ...Array.from({ length: 3 }, () => ['toy', 'accumulate']).flat(),
      'optimizer-sgd',
    ]);
    expect(runs.filter((r) => r.program === 'accumulate').map((r) => r.feeds.first?.data[0])).toEqual([1, 0, 0]);
    expect(runs.at(-1)!.feeds.rate).toEqual(floats([], [0.1]));
  });

  it('keeps the state that it is given', async () => {
    const { engine, state } = recorder();
    const network = toy();
    const momentum = floats([21], new Float32Array(21).fill(3));
    const tensors = new Map([...initialize(network.parameters, 1), ['momentum/score.bias', momentum] as const]);
    const step = await TrainingStep.create(engine, network, tensors, options);
    expect(state.get('momentum/score.bias')).toEqual(momentum);
    expect((await step.read(true)).get('momentum/score.bias')).toEqual(momentum);
    expect([...(await step.read()).keys()]).toEqual(['conv.weight', 'conv.bias', 'score.weight', 'score.bias']);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('stops before the update at a loss of %d', async (loss) => {
    const { engine, runs } = recorder(loss);
    const network = toy();
    const step = await TrainingStep.create(engine, network, initialize(network.parameters, 1), options);
    await expect(step.run([input()], 7, 0.25)).rejects.toMatchObject({
      code: 'ERR_NAN',
      message: expect.stringMatching(new RegExp(`became ${loss} at update 7\\. Lower the rate \\(now 0\\.25\\)`)),
    });
    expect(runs.map((r) => r.program)).toEqual(['toy', 'diagnosis']);
  });

  it.each([
    [[{ pattern: '^conv', rate: 0, decay: 1 }], ['score.weight', 'score.bias']],
    [[{ pattern: 'weight', rate: 0, decay: 1 }], ['conv.bias', 'score.bias']],
    [
      [
        { pattern: '.', rate: 0, decay: 1 },
        { pattern: 'score', rate: 2, decay: 1 },
      ],
      ['score.weight', 'score.bias'],
    ],
    [[], ['conv.weight', 'conv.bias', 'score.weight', 'score.bias']],
  ])('trains what the last matching factor leaves: %j', async (multipliers, trained) => {
    const { engine, state } = recorder();
    const network = toy();
    await TrainingStep.create(engine, network, initialize(network.parameters, 1), { ...options, multipliers });
    const momenta = [...state.keys()].filter((n) => n.startsWith('momentum/'));
    expect(momenta).toEqual(trained.map((n) => `momentum/${n}`));
  });
});

describe('factors', () => {
  it.each([
    ['^scor\\.', "Did you mean 'score'?"],
    ['^zzzzzzzzz', 'Its layers are conv, score.'],
  ])('for a pattern that matches nothing are refused: %s', async (pattern, hint) => {
    const { engine } = recorder();
    const network = toy();
    const multipliers = [{ pattern, rate: 0, decay: 1 }];
    const creating = TrainingStep.create(engine, network, initialize(network.parameters, 1), {
      ...options,
      multipliers,
    });
    await expect(creating).rejects.toMatchObject({
      code: 'ERR_RECIPE',
      subject: pattern,
      message: expect.stringContaining(`pattern '${pattern}' matches no parameter of toy.`),
    });
    await expect(creating).rejects.toThrow(hint);
  });
});

/** The toy with a map of half its size and two further heads. */
const headed: Network = {
  ...toyNetwork(),
  build(b, image, o = {}) {
    const { scores } = toyNetwork().build(b, image, o);
    const low = b.maxPool(scores, { kernel: 2, stride: 2 });
    const again = b.mul(scores, b.scalar(2));
    const geometric = { scores: b.slice(again, [1], [0], [3]), low };
    return { scores, low, auxiliary: again, heads: { geometric } };
  },
};

describe('a loss on several outputs', () => {
  const graphOf = (loss: LossOptions) => networkGraph(headed, { size, batch: 2, outputs: lossOutputs(loss) });

  it('asks the network for what it needs, and for the labels of every head', async () => {
    const loss: LossOptions = { auxiliary: 0.5, heads: { geometric: 1 } };
    expect(lossOutputs({})).toEqual(['scores']);
    expect(lossOutputs({ on: 'low' })).toEqual(['low']);
    expect(lossOutputs(loss)).toEqual(['scores', 'auxiliary', 'geometric']);
    const goal = objective(graphOf(loss), loss);
    expect(goal.heads).toEqual(['geometric']);
    expect(goal.graph.inputs.map((v) => v.name)).toEqual(['image', 'labels', 'labels/geometric']);
    expect(goal.graph.outputs.map((o) => o.name)).not.toContain('auxiliary');

    const { engine, runs } = recorder();
    const start = initialize(goal.graph.parameters, 1);
    const step = await TrainingStep.create(engine, graphOf(loss), start, { ...options, ...loss });
    await expect(step.run([input()], 0, 0.1)).rejects.toMatchObject({ code: 'ERR_DATA', subject: 'geometric' });
    const own = tensor('uint8', [2, 16, 16], new Uint8Array(512).fill(2));
    await step.run([{ ...input(), heads: { geometric: own } }], 0, 0.1);
    expect(runs[0]!.feeds['labels/geometric']).toBe(own);
  });

  it('is refused where the network lacks one', () => {
    expect(() => objective(toy(), { on: 'low' })).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining("'low', which the network's") }),
    );
  });

  it('draws the same cells for maps of one size, by the seed and the batch alone', async () => {
    const loss: LossOptions = { on: 'low', auxiliary: 1, heads: { geometric: 1 }, sampling: 0.25 };
    const goal = objective(graphOf(loss), loss);
    expect(goal.samples.map((s) => s.shape)).toEqual([
      [2, 8, 8],
      [2, 16, 16],
    ]);
    const drawn = (seed: number, step: number) =>
      Object.values(draw(goal, seed, step)).map((t) => Array.from(t.data as Uint8Array));
    expect(drawn(1, 5)).toEqual(drawn(1, 5));
    expect(drawn(1, 5)).not.toEqual(drawn(1, 6));
    expect(drawn(1, 5)).not.toEqual(drawn(2, 5));
    const shares = Array.from({ length: 40 }, (_, i) => drawn(1, i)[1]!).flat();
    expect(shares.reduce((a, v) => a + v, 0) / shares.length).toBeCloseTo(0.25, 1);
  });
});

describe('averaged weights', () => {
  it('begin with the parameters, are kept, and are what is shipped', async () => {
    const { engine, state } = recorder();
    const network = toy();
    const start = initialize(network.parameters, 1);
    const step = await TrainingStep.create(engine, network, start, { ...options, average: 0.99 });
    expect(state.get('average/conv.weight')).toEqual(start.get('conv.weight'));
    state.set('average/conv.weight', floats([8, 3, 3, 3], new Float32Array(216).fill(7)));
    const shipped = await step.averaged();
    expect([...shipped.keys()]).toEqual([...start.keys()]);
    expect(shipped.get('conv.weight')!.data[0]).toBe(7);
    expect(shipped.get('score.weight')).toEqual(start.get('score.weight'));
    expect((await step.read(true)).has('average/conv.weight')).toBe(true);
    const plain = await TrainingStep.create(recorder().engine, network, start, options);
    expect(await plain.averaged()).toEqual(start);
  });
});

describe('dropout masks', () => {
  const ratio = 0.3;
  async function masks(seed: number, updates: readonly number[], accumulate = 1): Promise<Float32Array[]> {
    const { engine, runs } = recorder();
    const network = toy({ dropout: ratio });
    const step = await TrainingStep.create(engine, network, initialize(network.parameters, 1), {
      ...options,
      seed,
      accumulate,
    });
    for (const update of updates) await step.run(Array.from({ length: accumulate }, input), update, 0.1);
    return runs.filter((r) => r.program === 'toy').map((r) => r.feeds['mask/drop']!.data as Float32Array);
  }

  it('drop the share asked for and enlarge the rest by as much', async () => {
    const [mask] = (await masks(1, [0])) as [Float32Array];
    expect(mask).toHaveLength(2 * 8 * 256);
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / (1 - ratio))]));
    const dropped = mask.filter((v) => v === 0).length / mask.length;
    expect(Math.abs(dropped - ratio)).toBeLessThan(0.03);
  });

  it('depend on the seed and the batch alone', async () => {
    const all = await masks(1, [0, 1, 2, 3]);
    expect(new Set(all.map((m) => m.join())).size).toBe(4);
    expect(await masks(1, [2, 3])).toEqual(all.slice(2));
    expect(await masks(1, [0, 1], 2)).toEqual(all);
    expect((await masks(2, [0]))[0]).not.toEqual(all[0]);
  });
});
