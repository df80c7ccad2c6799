/** @file The narrow waist between the host and a runtime: sessions that read and fill typed arrays. */

import type { Graph } from '../graph/ir.js';
import type { NamedTensors, Tensor } from '../graph/tensor.js';

export interface SessionOptions {
  readonly threads: number;
  /**
   * Give every map's memory back after its use, instead of keeping all of it for the next run; false by default. As fast for small
   * maps, and many sessions then take little more memory than their weights.
   */
  readonly lean?: boolean;
  /** The model comes from `optimize`: it is run as it stands. */
  readonly optimized?: boolean;
}

/**
 * How long an idle thread looks for work before it sleeps. Between two operators of one run it then seldom falls asleep, and
 * a process that waits costs nothing: 1.1 to 1.2 times faster steps than without, on idle cores and on busy ones, where
 * spinning until the end of the run, ONNX Runtime's default, is many times slower.
 */
export const spinning = { allow_spinning: '1', spin_duration_us: '200' } as const;

/** A file of weights beside the model, as ONNX's external data names it. */
export interface ExternalData {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface Session {
  /**
   * Runs once. `targets` may name buffers that outputs are to be written into; the result then holds those very buffers. A
   * backend that can ends the run when the signal says so, and throws.
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    outputs: readonly string[],
    targets: ReadonlyMap<string, Tensor>,
    signal?: AbortSignal,
  ): Promise<NamedTensors>;
  dispose(): Promise<void>;
}

export interface Backend {
  readonly device: string;
  /** The graph as this runtime computes it right, or faster, with the weights it will get: the same numbers up to rounding. */
  adapt(graph: Graph, weights: NamedTensors): Graph;
  /**
   * A model as this runtime's optimizer leaves it on this machine: as fast as without, and a session of it is made in a fraction of
   * the time. Sides that have names keep them. Of runtimes that can write it.
   */
  optimize?(model: Uint8Array, external: readonly ExternalData[]): Promise<Uint8Array<ArrayBuffer>>;
  /** Names the runtime and what its optimizer depends on. */
  readonly version?: string;
  createSession(model: Uint8Array, external: readonly ExternalData[], options: SessionOptions): Promise<Session>;
  /** Frees what the sessions shared. They are disposed by then. */
  close?(): Promise<void>;
}
