/** @file Runs one network at any size: programs are compiled once per size and the last few are kept. */

import type { Engine, Program } from '../engine/engine.js';
import { internal } from '../errors.js';
import type { Pair } from '../graph/ir.js';
import type { NamedTensors, Tensor } from '../graph/tensor.js';
import { type Network, networkGraph } from '../nets/network.js';
import { labelTail } from '../surgery/label-tail.js';

/** Programs kept; each holds its own copy of the weights and its maps. */
const kept = 6;

export class Predictor {
  readonly #engine: Engine;
  readonly #network: Network;
  readonly #classes: number;
  readonly #tensors: NamedTensors;
  /** By size, the one used longest ago first. */
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(engine: Engine, network: Network, classes: number, tensors: NamedTensors) {
    this.#engine = engine;
    this.#network = network;
    this.#classes = classes;
    this.#tensors = tensors;
  }

  /**
   * The most probable class of every pixel, row by row.
   *
   * @param image float32 [1, 3, h, w], preprocessed
   * @param size height and width of the result
   */
  async labels(image: Tensor<'float32'>, size: Pair, signal?: AbortSignal): Promise<Uint8Array> {
    const program = await this.#program([image.shape[2]!, image.shape[3]!], size);
    const { labels } = await program.run({ image }, { transferFeeds: true, ...(signal && { signal }) });
    if (!(labels?.data instanceof Uint8Array)) throw internal('a label program put out no labels');
    return labels.data;
  }

  #program(input: Pair, size: Pair): Promise<Program> {
    const key = [...input, ...size].join('x');
    const known = this.#programs.get(key);
    this.#programs.delete(key);
    const program = known ?? this.#compile(input, size);
    this.#programs.set(key, program);
    if (!known) {
      // A size that the network refuses must not stay.
      program.catch(() => this.#programs.delete(key));
      this.#evict();
    }
    return program;
  }

  async #compile(input: Pair, size: Pair): Promise<Program> {
    const graph = networkGraph(this.#network, { classes: this.#classes, size: input, auxiliary: false });
    return this.#engine.compile(labelTail(graph, size), { weights: this.#tensors });
  }

  #evict(): void {
    const [oldest] = this.#programs;
    if (this.#programs.size <= kept || !oldest) return;
    this.#programs.delete(oldest[0]);
    oldest[1].then((p) => p.dispose()).catch(() => undefined);
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    for (const p of programs) if (p.status === 'fulfilled') await p.value.dispose();
  }
}
