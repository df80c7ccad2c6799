/** @file Programs that serve one network at every size: the first picture's is the last that is compiled. */

import { createHash } from 'node:crypto';
import type { AnySizeProgram, Engine, Program } from '../engine/engine.js';
import { isLean } from '../engine/memory.js';
import { feedsOf, restOf, structureOf } from '../graph/any-size.js';
import type { Graph } from '../graph/ir.js';
import type { NamedTensors } from '../graph/tensor.js';
import { turn } from '../turn.js';

/** Draws the same graph with every side larger by a multiple of the given one, down and across. */
export type Redraw = (down: number, across: number) => Graph;

/** Added to the sides of the two drawings that are compared: multiples of every network's stride, apart enough to tell sides apart. */
const growths = [
  [512, 1024],
  [1536, 512],
] as const;

/** Names tensors by what is in them. */
async function digestOf(tensors: NamedTensors): Promise<string> {
  await turn();
  const hash = createHash('sha256');
  for (const [name, t] of tensors) {
    hash.update(`${name} ${t.dtype} ${t.shape}\n`).update(t.data);
    if (t.data.byteLength > 2 ** 20) await turn();
  }
  return hash.digest('base64');
}

export class AnySizePrograms {
  readonly #engine: Engine;
  /** By structure. */
  readonly #programs = new Map<string, Promise<AnySizeProgram | undefined>>();
  readonly #weights: NamedTensors;
  #digest: Promise<string> | undefined;

  constructor(engine: Engine, weights: NamedTensors) {
    this.#engine = engine;
    this.#weights = weights;
  }

  /** Runs the drawing by the program of its structure; undefined where it needs one of its own. */
  async program(graph: Graph, redraw: Redraw): Promise<Program | undefined> {
    if (!this.#engine.compileAnySize || !isLean(graph)) return undefined;
    const structure = structureOf(graph);
    let compiled = this.#programs.get(structure);
    if (!compiled) {
      compiled = this.#compile(structure, redraw);
      this.#programs.set(structure, compiled);
    }
    const found = await compiled;
    if (!found || restOf(graph, found.fed) !== found.rest) return undefined;
    const fed = Object.fromEntries(feedsOf(graph, found.fed));
    return {
      run: (feeds, options = {}) => {
        const { transferFeeds } = options;
        // What is fed for the size is needed again.
        const handed = transferFeeds === true ? Object.keys(feeds) : transferFeeds;
        return found.program.run({ ...feeds, ...fed }, { ...options, ...(handed && { transferFeeds: handed }) });
      },
      // It serves other sizes too.
      dispose: async () => undefined,
    };
  }

  async #compile(structure: string, redraw: Redraw): Promise<AnySizeProgram | undefined> {
    this.#digest ??= digestOf(this.#weights);
    return this.#engine.compileAnySize?.({
      key: `${structure} ${await this.#digest}`,
      weights: this.#weights,
      draw: async () => {
        // The tables of operators are not needed where the graph is known.
        const { anySizeGraph } = await import('../graph/onnx/any-size.js');
        const drawings: Graph[] = [];
        for (const [down, across] of growths) {
          await turn();
          drawings.push(redraw(down, across));
        }
        await turn();
        const [first, second] = drawings as [Graph, Graph];
        if (structureOf(first) !== structure) return undefined;
        const source = anySizeGraph(first, second);
        return source && { source, rest: restOf(first, source.fed) };
      },
    });
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    for (const p of programs) if (p.status === 'fulfilled') await p.value?.program.dispose();
  }
}
