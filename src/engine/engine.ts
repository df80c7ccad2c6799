/** @file What an engine is: it compiles graphs to programs and runs them, always asynchronously. Nothing else knows ONNX Runtime. */

import type { Graph } from '../graph/ir.js';
import type { NamedTensors, Tensor } from '../graph/tensor.js';

export interface EngineOptions {
  /** Threads inside one run; by default all that the process may use. */
  readonly threads?: number;
  /**
   * Let idle threads spin between operators. Faster by a few percent on idle cores, many times slower when another
   * process or a loader needs them, so off by default.
   */
  readonly spin?: boolean;
}

export interface CompileOptions {
  /** Tensors for the graph's parameters, fixed for the life of the program. */
  readonly weights?: NamedTensors;
  /** Hand the weights' buffers over instead of copying them; the caller's arrays are empty afterwards. */
  readonly transferWeights?: boolean;
  /** Where parameters that `weights` lacks are taken from at every run, by name. */
  readonly state?: State;
  /** Outputs that are kept in the state instead of being returned: output name to state name. */
  readonly updates?: Readonly<Record<string, string>>;
}

export interface RunOptions {
  /** Stops waiting, and keeps a run that has not begun from beginning. */
  readonly signal?: AbortSignal;
  /** Hand the feeds' buffers over instead of copying them. */
  readonly transferFeeds?: boolean;
}

/** A compiled graph. */
export interface Program {
  /** Runs with one tensor for every graph input; resolves to the outputs that no update keeps. */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/** Named tensors that live with the engine between runs: weights under training, momenta, gradients. */
export interface State {
  /** Copies of the named tensors (all by default). */
  read(names?: readonly string[]): Promise<NamedTensors>;
  /** Replaces or adds tensors. */
  write(tensors: NamedTensors): Promise<void>;
  dispose(): Promise<void>;
}

export interface Engine {
  /** What runs here, for logs: `cpu`, `native`, ... */
  readonly device: string;
  readonly threads: number;
  createState(tensors: NamedTensors): Promise<State>;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
