/** @file Graph to graph: a rewrite keeps what no rule touches, to the last name. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { rewrite } from '../../src/graph/rewrite.js';
import { floats } from '../../src/graph/tensor.js';
import { interpret } from '../support/interpret.js';
import { sampleGraph, sampleOps } from '../support/onnx-samples.js';

/** exp(x) * 2 + exp(x), with names. */
function formula(): Graph {
  const b = new GraphBuilder('formula');
  const x = b.input('x', 'float32', [3]);
  const e = b.op('Exp', [x], {}, 'e');
  b.output('y', b.add(b.mul(e, b.scalar(2), 'double'), e, 'sum'));
  b.output('e', e);
  return b.finish();
}

const x = floats([3], [0, 1, -1]);
const run = (graph: Graph, name: string) => interpret(graph, new Map([['x', x]])).get(name)?.data;

describe('rewrite', () => {
  it.each(sampleOps)('copies %s as it is where no rule answers', (op) => {
    const graph = sampleGraph(op);
    expect(rewrite(graph, () => undefined).b.finish()).toEqual(graph);
  });

  it('puts values in the place of a node, for all that read it', () => {
    const { b, substituteOf } = rewrite(formula(), (node, inputs) => (node.op === 'Exp' ? [inputs[0]!] : undefined));
    const graph = b.finish();
    expect(graph.nodes.map((n) => n.name)).toEqual(['double', 'sum']);
    expect(run(graph, 'y')).toEqual(Float32Array.of(0, 3, -3));
    expect(run(graph, 'e')).toEqual(x.data);
    const old = formula().nodes[0]!.outputs[0]!;
    expect(substituteOf(old)).toBe(old);
  });

  it('shows a rule the inputs of the new graph', () => {
    const graph = formula();
    const seen: (Value | undefined)[][] = [];
    const { b } = rewrite(graph, (node, inputs, builder) => {
      if (node.op === 'Exp') return [builder.op('Neg', [inputs[0]], {}, 'negative')];
      seen.push([...inputs]);
      return undefined;
    });
    const negative = b.nodes[0]!.outputs[0]!;
    expect(seen.map((inputs) => inputs.includes(negative))).toEqual([true, true]);
    expect(run(b.finish(), 'y')).toEqual(Float32Array.of(-0, -3, 3));
  });

  it('leaves the old graph alone and finds the new name of an old value', () => {
    const graph = formula();
    const before = structuredClone(graph);
    const { b, substituteOf } = rewrite(graph, (node, inputs, builder) =>
      node.op === 'Mul' ? [builder.add(inputs[0]!, inputs[0]!, 'sum')] : undefined,
    );
    expect(graph).toEqual(before);
    const sum = graph.outputs[0]!.value;
    // The rule took the name first.
    expect(substituteOf(sum).name).not.toBe('sum');
    expect(b.finish().outputs.map((o) => [o.name, o.value])).toEqual([
      ['y', substituteOf(sum)],
      ['e', substituteOf(graph.outputs[1]!.value)],
    ]);
    expect(run(b.finish(), 'y')).toEqual(run(graph, 'y'));
  });

  it('goes on where the graph ended, under another name', () => {
    const { b } = rewrite(formula(), () => undefined, 'longer');
    b.output('more', b.op('Neg', [b.finish().outputs[0]!.value], {}));
    const graph = b.finish();
    expect(graph.name).toBe('longer');
    expect(graph.outputs.map((o) => o.name)).toEqual(['y', 'e', 'more']);
    expect(run(graph, 'more')).toEqual((run(graph, 'y') as Float32Array).map((v) => -v));
  });
});
