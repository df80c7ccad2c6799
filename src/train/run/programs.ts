/** @file One training program per picture size, over one state: whole pictures come in any size. */

import type { Program } from '../../engine/engine.js';
import type { Graph, Pair } from '../../graph/ir.js';
import { sizeOf } from '../../graph/tensor.js';
import type { Drawn } from '../draws.js';

/** The gradients at one size. */
export interface SizedProgram {
  readonly program: Program;
  /** Their shapes follow the size. */
  readonly drawn: Drawn;
  /** What it may hold on to between runs: an arena that once had room for every map of its graph. */
  readonly bytes: number;
}

const bytesPer: Readonly<Record<string, number>> = { uint8: 1, bool: 1, float16: 2, int64: 8 };

/** All maps of a graph together: more than are ever alive at once. */
export const mapBytes = (graph: Graph): number =>
  graph.nodes.flatMap((node) => node.outputs).reduce((sum, v) => sum + sizeOf(v.shape) * (bytesPer[v.dtype] ?? 4), 0);

/** Programs that small networks keep; a large network's single program exceeds it, and is then the only one. */
const keptBytes = 2 ** 31;

/** The programs used last, as many as fit into memory beside the one in use. Sequential: one call at a time. */
export class SizedPrograms {
  readonly #make: (size: Pair) => Promise<SizedProgram>;
  readonly #budget: number;
  /** By size, the one used longest ago first. */
  readonly #kept = new Map<string, SizedProgram>();

  constructor(make: (size: Pair) => Promise<SizedProgram>, budget = keptBytes) {
    this.#make = make;
    this.#budget = budget;
  }

  async at(size: Pair): Promise<SizedProgram> {
    const key = size.join('x');
    const known = this.#kept.get(key);
    this.#kept.delete(key);
    if (!known) await this.#makeRoom();
    const sized = known ?? (await this.#make(size));
    this.#kept.set(key, sized);
    return sized;
  }

  /** Disposes of the oldest until one more, as large as the largest, fits: before the new one takes its own memory. */
  async #makeRoom(): Promise<void> {
    const sizes = [...this.#kept.values()].map((p) => p.bytes);
    let held = sizes.reduce((a, v) => a + v, Math.max(0, ...sizes));
    for (const [key, { program, bytes }] of this.#kept) {
      if (held <= this.#budget) return;
      this.#kept.delete(key);
      held -= bytes;
      await program.dispose();
    }
  }

  async dispose(): Promise<void> {
    const programs = [...this.#kept.values()];
    this.#kept.clear();
    for (const { program } of programs) await program.dispose();
  }
}
