/** @file The narrow waist between the host and a runtime: sessions that read and fill typed arrays. */

import type { NamedTensors, Tensor } from '../graph/tensor.js';

export interface SessionOptions {
  readonly threads: number;
  readonly spin: boolean;
}

/** A file of weights beside the model, as ONNX's external data names it. */
export interface ExternalData {
  readonly path: string;
  readonly data: Uint8Array;
}

export interface Session {
  /**
   * Runs once. `targets` may name buffers that outputs are to be written into; the result then holds those very buffers.
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    outputs: readonly string[],
    targets: ReadonlyMap<string, Tensor>,
  ): Promise<NamedTensors>;
  dispose(): Promise<void>;
}

export interface Backend {
  readonly device: string;
  createSession(model: Uint8Array, external: readonly ExternalData[], options: SessionOptions): Promise<Session>;
  /** Frees what the sessions shared. They are disposed by then. */
  close?(): Promise<void>;
}
