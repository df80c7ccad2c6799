/** @file What an engine is: it compiles graphs to programs and runs them, always asynchronously. Nothing else knows ONNX Runtime. */

import type { AnySizeGraph, Fed } from '../graph/any-size.js';
import type { Graph, Pair } from '../graph/ir.js';
import type { NamedTensors, Tensor } from '../graph/tensor.js';

/**
 * - `node`: onnxruntime-node, which copies every output once more
 * - `native`: ONNX Runtime's C API through the optional package koffi, which writes updates and gradients where they belong
 * - `auto`: native on Linux, where its parts are installed and start; otherwise node
 */
export type BackendName = 'node' | 'native' | 'auto';

/**
 * - `cpu`: the processor
 * - `webgpu`: a graphics processor, through onnxruntime-node's own WebGPU
 * - `cuda`: an NVIDIA one, where CUDA and onnxruntime-node's library for it are installed
 * - `auto`: the fastest of those that start
 */
export const devices = ['cpu', 'webgpu', 'cuda', 'auto'] as const;
export type DeviceName = (typeof devices)[number];

export interface EngineOptions {
  /** Default `cpu`. A device that does not start is ERR_DEVICE, from `start` or the first program. */
  readonly device?: DeviceName;
  /** Default `node`. */
  readonly backend?: BackendName;
  /** Threads of the engine; by default all that the process may use. */
  readonly threads?: number;
  /**
   * Runs that go on at the same time, for throughput; 1 by default. The threads are shared out among them, and each has its own
   * copy of the weights. Programs with a state, with weights handed over, or with so many that copies do not pay, run one at a
   * time all the same, with all threads.
   */
  readonly lanes?: number;
  /** Folder in which graphs for every size (`compileAnySize`) are kept as they are optimized, for the next process; by default none are. */
  readonly keptIn?: string;
}

export interface CompileOptions {
  /** Tensors for the graph's parameters, fixed for the life of the program. */
  readonly weights?: NamedTensors;
  /** Hand the weights' buffers over instead of copying them; the caller's arrays are empty afterwards. */
  readonly transferWeights?: boolean;
  /** Where parameters that `weights` lacks are taken from at every run: the tensor of their name, or their place. */
  readonly state?: State;
  readonly places?: Readonly<Record<string, Place>>;
  /** Outputs that are kept in the state instead of being returned: output name to state name or place. */
  readonly updates?: Readonly<Record<string, string | Place>>;
}

/** A stretch of a state tensor, as many elements from `start` as the parameter or output has. */
export interface Place {
  readonly tensor: string;
  readonly start: number;
}

export interface RunOptions {
  /** Stops waiting, and keeps a run that has not begun from beginning. The native backend ends one that has begun, too. */
  readonly signal?: AbortSignal;
  /** Hand the feeds' buffers over instead of copying them: all, or those of these names. */
  readonly transferFeeds?: boolean | readonly string[];
  /** Answer `labels` uint8 [1, height, width] instead of one of the outputs: the highest class of the enlarged map (`enlargedLabels`). */
  readonly labels?: Labeling;
}

/** What is compiled for every size. */
export interface AnySizeSource {
  /** Names graph and weights: what was optimized under this name before is the same. */
  readonly key: string;
  /** Draws it, and says what its drawings have in common (`restOf`). Not called where the key is known. */
  readonly draw: () => Promise<{ readonly source: AnySizeGraph; readonly rest: string } | undefined>;
  readonly weights: NamedTensors;
}

/** A compiled graph of every size. Its runs want what `feedsOf` says of a drawing, beside that drawing's own inputs. */
export interface AnySizeProgram {
  readonly program: Program;
  readonly fed: Fed;
  readonly rest: string;
}

/** What becomes of an output before it leaves the engine's thread. */
export interface Labeling {
  /** A score map float32 [1, C, h, w]. */
  readonly output: string;
  /** Height and width of the labels. */
  readonly size: Pair;
  /** How the map is enlarged: corner pixels' centers aligned, or their corners. */
  readonly alignCorners: boolean;
}

/** A compiled graph. */
export interface Program {
  /** Runs with one tensor for every graph input; resolves to the outputs that no update keeps. */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

export interface TransferOptions {
  /** Hand the tensors' buffers over instead of copying them; the caller's arrays are empty afterwards. */
  readonly transfer?: boolean;
}

/**
 * Named tensors that live with the engine between runs: weights under training, momenta, gradients. A program may see them
 * in any shape of as many elements.
 */
export interface State {
  /** Copies of the named tensors (all by default). */
  read(names?: readonly string[]): Promise<NamedTensors>;
  /** Replaces or adds tensors. */
  write(tensors: NamedTensors, options?: TransferOptions): Promise<void>;
  dispose(): Promise<void>;
}

export interface Engine {
  /** What runs here, for logs: `cpu`, `native` for the C API, `webgpu` or `cuda`; with `auto`, known for sure after `start`. */
  readonly device: string;
  readonly threads: number;
  /** Runs that go on at the same time. */
  readonly lanes: number;
  /** Waits until the device runs, and names it. Programs wait for it by themselves. @throws ERR_DEVICE, ERR_ENGINE */
  start(): Promise<string>;
  createState(tensors: NamedTensors, options?: TransferOptions): Promise<State>;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** One program for drawings of many sizes; undefined where the engine has none, or the drawings differ in more than numbers. */
  compileAnySize?(source: AnySizeSource): Promise<AnySizeProgram | undefined>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
