/** @file Runs one network at any size: programs are compiled once per size and the last few are kept. */

import { setImmediate } from 'node:timers/promises';
import type { Engine, Program } from '../engine/engine.js';
import { internal } from '../errors.js';
import type { Pair } from '../graph/ir.js';
import type { NamedTensors, Tensor } from '../graph/tensor.js';
import type { Size } from '../image/picture.js';
import { type Network, nearestSide, networkGraph, requireColorOnly } from '../nets/network.js';
import { labelTail, scoreTail } from '../surgery/label-tail.js';

/** Programs kept; each holds its own copy of the weights and its maps. */
const kept = 6;

const tails = { labels: labelTail, scores: scoreTail } as const;

interface Entry {
  readonly program: Promise<Program>;
  /** Calls that wait for it or run it: until they end it may not be disposed of. */
  users: number;
}

export class Predictor {
  readonly #engine: Engine;
  readonly #network: Network;
  readonly #classes: number;
  readonly #tensors: NamedTensors;
  /** By size, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>();

  /** @throws ERR_USAGE for a network that reads more than a color picture */
  constructor(engine: Engine, network: Network, classes: number, tensors: NamedTensors) {
    requireColorOnly(network);
    this.#engine = engine;
    this.#network = network;
    this.#classes = classes;
    this.#tensors = tensors;
  }

  /** The size nearest to `size` that the network can run on. */
  inputSize(size: Size): Size {
    return { width: nearestSide(this.#network, size.width), height: nearestSide(this.#network, size.height) };
  }

  /**
   * The most probable class of every pixel, row by row. Calls may overlap.
   *
   * @param image float32 [1, 3, h, w], preprocessed
   * @param size height and width of the result
   */
  async labels(image: Tensor<'float32'>, size: Pair, signal?: AbortSignal): Promise<Uint8Array> {
    const labels = await this.#run('labels', image, size, signal);
    if (!(labels instanceof Uint8Array)) throw internal('a label program put out no labels');
    return labels;
  }

  /** The scores themselves, float32 [classes, height, width]: 4 bytes per class and pixel leave the engine. */
  async scores(image: Tensor<'float32'>, size: Pair, signal?: AbortSignal): Promise<Float32Array> {
    const scores = await this.#run('scores', image, size, signal);
    if (!(scores instanceof Float32Array)) throw internal('a score program put out no scores');
    return scores;
  }

  async #run(tail: keyof typeof tails, image: Tensor<'float32'>, size: Pair, signal?: AbortSignal): Promise<unknown> {
    const key = [tail, ...image.shape, ...size].join('x');
    const entry = this.#entries.get(key) ?? {
      program: this.#compile(tail, [image.shape[2]!, image.shape[3]!], size),
      users: 0,
    };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.users++;
    try {
      const program = await entry.program.catch((error: unknown) => {
        // A size that the network refuses must not stay.
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
        throw error;
      });
      const outputs = await program.run({ image }, { transferFeeds: true, ...(signal && { signal }) });
      return outputs[tail]?.data;
    } finally {
      entry.users--;
      this.#evict();
    }
  }

  async #compile(tail: keyof typeof tails, input: Pair, size: Pair): Promise<Program> {
    const graph = networkGraph(this.#network, { classes: this.#classes, size: input, auxiliary: false });
    const tailed = tails[tail](graph, size);
    // Drawing the graph and writing it are some 20 ms each: timers and requests of the caller's thread come between.
    await setImmediate();
    return this.#engine.compile(tailed, { weights: this.#tensors });
  }

  #evict(): void {
    for (const [key, { program, users }] of this.#entries) {
      if (this.#entries.size <= kept) return;
      if (users > 0) continue;
      this.#entries.delete(key);
      program.then((p) => p.dispose()).catch(() => undefined);
    }
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled([...this.#entries.values()].map((e) => e.program));
    this.#entries.clear();
    for (const p of programs) if (p.status === 'fulfilled') await p.value.dispose();
  }
}
