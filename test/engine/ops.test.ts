/** @file Every operator, forward and backward, against numbers made in float64 with PyTorch. */

import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { floats, sizeOf, type Tensor, zeros } from '../../src/graph/tensor.js';
import { trainingMode } from '../../src/surgery/training-mode.js';
import { crossEntropy } from '../../src/train/loss.js';
import { type Case, expectClose, readCase } from '../support/parity.js';
import { fixture, shared, sharedRoot } from '../support/shared.js';

const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

type Inputs = Record<string, Value>;
// biome-ignore lint/suspicious/noExplicitAny: the reference's own free-form description
type Info = any;
/** Builds the operator under test from its named inputs. */
type Build = (b: GraphBuilder, v: Inputs, info: Info) => Value;

const builders: Record<string, Build> = {
  conv2d: (b, v, i) => b.conv(v.x!, v.w!, v.b, { stride: i.stride, pad: i.pad, dilation: i.dilation, group: i.groups }),
  conv_transpose2d: (b, v, i) => b.convTranspose(v.x!, v.w!, v.b, { stride: i.stride, pad: i.pad, group: i.groups }),
  max_pool2d: (b, v, i) => b.maxPool(v.x!, { kernel: i.kernel, stride: i.stride, pad: i.pad, ceil: i.ceil }),
  avg_pool2d: (b, v, i) =>
    b.averagePool(v.x!, {
      kernel: i.kernel,
      stride: i.stride,
      pad: i.pad,
      ceil: i.ceil,
      countPadding: i.count_include_pad,
    }),
  relu: (b, v) => b.relu(v.x!),
  lrn: (b, v, i) => b.op('LRN', [v.x], { size: i.size, alpha: i.alpha, beta: i.beta, bias: i.k }),
  softmax: (b, v, i) => b.op('Softmax', [v.x], { axis: i.axis }),
  log_softmax: (b, v, i) => b.op('LogSoftmax', [v.x], { axis: i.axis }),
  scale: (b, v, i) => b.mul(v.x!, b.scalar(i.scale)),
  add: (b, v, i) => {
    const [p, q] = i.coeff ?? [1, 1];
    return b.add(p === 1 ? v.x! : b.mul(v.x!, b.scalar(p)), q === 1 ? v.z! : b.mul(v.z!, b.scalar(q)));
  },
  concat: (b, v, i) => b.concat(Object.values(v), i.axis),
  crop: (b, v, i) => {
    const [y, x] = i.offset;
    const [h, w] = i.size;
    return b.slice(v.x!, [2, 3], [y, x], [y + h, x + w]);
  },
  interpolate: (b, v, i) =>
    i.mode === 'bilinear'
      ? b.resize(v.x!, i.out, i.align_corners)
      : b.op('Resize', [v.x], {
          sizes: [...v.x!.shape.slice(0, 2), ...i.out],
          mode: 'nearest',
          coordinate_transformation_mode: 'asymmetric',
        }),
};

const inputNames = ['x', 'z', 'u', 'w', 'b'];

async function run(graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const program = await engine.compile(graph);
  try {
    return await program.run(feeds);
  } finally {
    await program.dispose();
  }
}

/** Tensors of the case as graph inputs; integer ones as float32. */
function declare(b: GraphBuilder, c: Case, names: readonly string[]): [Inputs, Record<string, Tensor>] {
  const present = names.filter((n) => c.tensors.has(n));
  const feeds = Object.fromEntries(present.map((n) => [n, c.tensors.get(n)!]));
  return [Object.fromEntries(present.map((n) => [n, b.input(n, feeds[n]!.dtype, feeds[n]!.shape)])), feeds];
}

async function checkOperator(c: Case): Promise<void> {
  const build = builders[c.info.op];
  if (!build) throw new Error(`no builder for ${c.info.op}`);
  const b = new GraphBuilder(c.name);
  const [values, feeds] = declare(b, c, inputNames);
  const y = build(b, values, c.info);
  b.output('y', y);
  const gy = c.tensors.get('gy');
  if (gy) {
    const sources = Object.entries(values);
    const gradients = differentiate(
      b,
      y,
      sources.map(([, v]) => v),
      b.input('gy', 'float32', gy.shape),
    );
    sources.forEach(([n], i) => {
      if (gradients[i]) b.output(`g${n}`, gradients[i]);
    });
    feeds.gy = gy;
  }
  const results = await run(b.finish(), feeds);
  const tolerance = c.info.tol.rel_to_absmax ?? c.info.tol.abs;
  for (const name of ['y', 'gx', 'gz', 'gu', 'gw', 'gb']) {
    const reference = c.tensors.get(name);
    if (!reference) continue;
    expect(results[name], `${name} exists`).toBeDefined();
    expectClose(results[name]!, reference, tolerance, name);
  }
}

async function checkCrossEntropy(c: Case): Promise<void> {
  const b = new GraphBuilder(c.name);
  const [values, feeds] = declare(b, c, ['x', 'labels']);
  const weights = c.tensors.get('weights') ?? c.tensors.get('w') ?? c.tensors.get('class_weights');
  const labels = c.tensors.get('labels')!;
  const mask = c.tensors.get('mask');
  if (mask) {
    // Loss sampling drops cells: an unsampled cell is a void one.
    const sampled = Uint8Array.from(labels.data as Uint8Array, (l, i) => (mask.data[i] ? l : 255));
    feeds.labels = { dtype: 'uint8', shape: labels.shape, data: sampled };
  }
  const reduction = c.info.reduction === 'sum_over_batch' ? 'batch' : c.info.reduction;
  const loss = crossEntropy(b, values.x!, values.labels!, {
    reduction,
    classWeights: weights && Array.from(weights.data as Float32Array),
  });
  b.output('loss', loss);
  b.output('gx', differentiate(b, loss, [values.x!], b.scalar(c.info.upstream))[0]!);
  const results = await run(b.finish(), feeds);
  const expected = c.tensors.get('loss')!.data[0] as number;
  const tolerance = Math.abs(expected) * (c.info.tol.rel ?? 1e-5) + 1e-9;
  expect(Math.abs((results.loss!.data[0] as number) - expected)).toBeLessThanOrEqual(tolerance);
  expectClose(results.gx!, c.tensors.get('gx')!, c.info.tol.rel_to_absmax ?? 2e-5, 'gx');
}

async function checkBatchNorm(c: Case): Promise<void> {
  const forward = new GraphBuilder(c.name);
  const t = (n: string) => c.tensors.get(n)!;
  const x = forward.input('x', 'float32', t('x').shape);
  const channels = [t('w').shape[0]!];
  const after = c.info.training;
  const [w, bias] = ['w', 'b'].map((n) => forward.input(n, 'float32', channels)) as [Value, Value];
  const [mean, variance] = ['running_mean', 'running_var'].map((n) => forward.input(n, 'float32', channels)) as [
    Value,
    Value,
  ];
  const attributes = { epsilon: c.info.eps, momentum: 1 - (c.info.momentum ?? 0.1), training_mode: 0 } as const;
  forward.output('y', forward.op('BatchNormalization', [x, w, bias, mean, variance], attributes));
  const { b, statistics } = trainingMode(forward.finish(), { batchNorm: after ? 'batch' : 'frozen' });
  const y = b.finish().outputs[0]!.value;
  const gradients = differentiate(b, y, [x, w, bias], b.input('gy', 'float32', t('gy').shape));
  ['gx', 'gw', 'gb'].forEach((n, i) => {
    if (gradients[i]) b.output(n, gradients[i]);
  });
  for (const [name, value] of statistics) b.output(`${name}_after`, value);
  const before = (n: string) => c.tensors.get(`${n}_before`) ?? c.tensors.get(n)!;
  const results = await run(b.finish(), {
    x: t('x'),
    w: t('w'),
    b: t('b'),
    gy: t('gy'),
    running_mean: before('running_mean'),
    running_var: before('running_var'),
  });
  for (const name of ['y', 'gx', 'gw', 'gb', 'running_mean_after', 'running_var_after']) {
    const reference = c.tensors.get(name);
    if (!reference || (!after && name.endsWith('_after'))) continue;
    // An analytically zero gradient is compared on the scale of the upstream one.
    const upstream = Math.max(...(t('gy').data as Float32Array).map(Math.abs));
    const small = name === 'gx' && Math.max(...(reference.data as Float32Array).map(Math.abs)) < 1e-4 * upstream;
    expectClose(results[name]!, reference, c.info.tol.rel_to_absmax, name, small ? upstream : undefined);
  }
}

async function checkDropout(c: Case): Promise<void> {
  const forward = new GraphBuilder(c.name);
  const x = forward.input('x', 'float32', c.tensors.get('x')!.shape);
  forward.output('y', forward.op('Dropout', [x], { ratio: c.info.p }));
  const still = await run(forward.finish(), { x: c.tensors.get('x')! });
  expect(still.y!.data).toEqual(c.tensors.get('x')!.data);
  const { b, masks } = trainingMode(forward.finish());
  const y = b.finish().outputs[0]!.value;
  b.output('gx', differentiate(b, y, [x], b.input('gy', 'float32', y.shape))[0]!);
  // PyTorch's Dropout2d has one mask value per channel.
  const mask = c.tensors.get('mask')!.data as Uint8Array;
  const perValue = sizeOf(x.shape) / mask.length;
  const kept = Float32Array.from(
    { length: sizeOf(x.shape) },
    (_, i) => mask[Math.floor(i / perValue)]! / (1 - c.info.p),
  );
  const feeds = { x: c.tensors.get('x')!, gy: c.tensors.get('gy')!, [masks[0]!.input]: floats(x.shape, kept) };
  const results = await run(b.finish(), feeds);
  for (const n of ['y', 'gx']) expectClose(results[n]!, c.tensors.get(n)!, c.info.tol.rel_to_absmax, n);
}

const checks: Record<string, (c: Case) => Promise<void>> = {
  cross_entropy: checkCrossEntropy,
  batch_norm: checkBatchNorm,
  dropout: checkDropout,
};

const local = readdirSync(fixture('ops')).sort();
const beyond = sharedRoot ? readdirSync(shared('parity/ops')).filter((f) => !local.includes(f)) : [];

describe('operators against the reference', () => {
  it.each(local)('%s', async (file) => {
    const c = readCase(fixture(`ops/${file}`));
    await (checks[c.info.op] ?? checkOperator)(c);
  });
});

describe.skipIf(!sharedRoot)('operators against the larger reference cases', () => {
  it.each(beyond)('%s', async (file) => {
    const c = readCase(shared(`parity/ops/${file}`));
    await (checks[c.info.op] ?? checkOperator)(c);
  });
});

describe('operators without a reference case', () => {
  it('differentiates an engine state to zero where the loss does not depend on it', async () => {
    const b = new GraphBuilder('independent');
    const x = b.input('x', 'float32', [2]);
    const z = b.input('z', 'float32', [2]);
    const loss = b.reduceSum(b.mul(x, x), [0]);
    expect(differentiate(b, loss, [x, z])[1]).toBeUndefined();
    b.output('loss', loss);
    const { loss: value } = await run(b.finish(), { x: floats([2], [3, 4]), z: zeros('float32', [2]) });
    expect(value!.data[0]).toBe(25);
  });
});
