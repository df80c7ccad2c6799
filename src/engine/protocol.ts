/** @file What the main thread and the engine's thread say to each other. Every request has one answer with its id. */

import type { ErrorCode } from '../errors.js';
import type { Shape, Tensor } from '../graph/tensor.js';
import type { ExternalData, SessionOptions } from './backend.js';
import type { BackendName, Place } from './engine.js';

/** An input taken from the state at every run, in the shape that the program wants. */
export interface StateInput extends Place {
  readonly input: string;
  readonly shape: Shape;
}

/** An output that the state keeps. */
export interface Update extends Place {
  readonly output: string;
  readonly shape: Shape;
  /** The state's buffer may be written while the program runs (see alias.ts). */
  readonly inPlace: boolean;
}

export interface ProgramSpec {
  readonly model: Uint8Array;
  readonly external: readonly ExternalData[];
  readonly session: SessionOptions;
  readonly state: number | undefined;
  readonly stateInputs: readonly StateInput[];
  readonly updates: readonly Update[];
  /** Outputs sent back. */
  readonly outputs: readonly string[];
}

type Entries = readonly (readonly [string, Tensor])[];

export interface Requests {
  /** Starts the backend; answers with its device. Comes first. */
  open: { args: { backend: BackendName }; result: string };
  createState: { args: { tensors: Entries }; result: number };
  readState: { args: { state: number; names: readonly string[] | undefined }; result: Entries };
  writeState: { args: { state: number; tensors: Entries }; result: null };
  disposeState: { args: { state: number }; result: null };
  compile: { args: { spec: ProgramSpec }; result: number };
  run: { args: { program: number; feeds: Entries }; result: Entries };
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

export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };
