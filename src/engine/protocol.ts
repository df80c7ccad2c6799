/** @file What the main thread and the engine's thread say to each other. Every request has one answer with its id. */

import type { ErrorCode } from '../errors.js';
import type { AnySizeGraph } from '../graph/any-size.js';
import type { Graph } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import type { SessionOptions } from './backend.js';
import type { Opening } from './backends.js';
import type { CompileOptions, Labeling } from './engine.js';

type Entries = readonly (readonly [string, Tensor])[];

/** A graph to compile: the engine's thread writes it as ONNX, which takes too long for the caller's. */
export interface ProgramSpec extends Pick<CompileOptions, 'places' | 'updates'> {
  readonly graph: Graph;
  readonly weights: Entries;
  readonly session: SessionOptions;
  readonly state: number | undefined;
}

/** A graph for every size, optimized. */
export interface OptimizedGraph extends Pick<AnySizeGraph, 'fed'> {
  readonly model: Uint8Array<ArrayBuffer>;
  /** The numbers that are not fed, which a drawing must have to be run by it. */
  readonly rest: string;
  /** Names of the outputs. */
  readonly outputs: readonly string[];
}

/** The program of a graph that was opened before anyone asked. */
export interface OpenedAhead {
  readonly opened: number;
}

export interface Requests {
  /** Starts the backend; answers with its device. Comes first. */
  open: { args: Opening; result: string };
  createState: { args: { tensors: Entries }; result: number };
  readState: { args: { state: number; names: readonly string[] | undefined }; result: Entries };
  writeState: { args: { state: number; tensors: Entries }; result: null };
  disposeState: { args: { state: number }; result: null };
  compile: { args: { spec: ProgramSpec }; result: number };
  /** The graph that was optimized under this name before, by whichever process. */
  recall: { args: { key: string }; result: (OptimizedGraph & Partial<OpenedAhead>) | null };
  /** Null where the runtime cannot. */
  optimize: {
    args: { key: string; source: AnySizeGraph; rest: string; weights: Entries };
    result: OptimizedGraph | null;
  };
  compileOptimized: { args: { optimized: OptimizedGraph; session: SessionOptions }; result: number };
  /** Only one that `mayStop` can be called off while it runs: it takes a thread more. */
  run: {
    args: { program: number; feeds: Entries; mayStop: boolean; labels: Labeling | undefined };
    result: Entries;
  };
  disposeProgram: { args: { program: number }; result: null };
  /** Frees everything. Comes last. */
  close: { args: Record<never, never>; result: null };
}

export type RequestKind = keyof Requests;

export interface Request<K extends RequestKind = RequestKind> {
  readonly id: number;
  readonly kind: K;
  readonly args: Requests[K]['args'];
}

/** Not a request, and without an answer of its own: the run of this id is no longer wanted. */
export interface Stop {
  readonly stop: number;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly subject: string | undefined;
    };
