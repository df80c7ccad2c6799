/** @file What the main thread and the engine's thread say to each other. Every request has one answer with its id. */

import type { ErrorCode } from '../errors.js';
import type { Shape, Tensor } from '../graph/tensor.js';
import type { ExternalData, SessionOptions } from './backend.js';

/** An output that the state keeps. */
export interface Update {
  readonly output: string;
  readonly target: string;
  readonly shape: Shape;
  /** The state's buffer may be written while the program runs (see alias.ts). */
  readonly inPlace: boolean;
}

export interface ProgramSpec {
  readonly model: Uint8Array;
  readonly external: readonly ExternalData[];
  readonly session: SessionOptions;
  readonly state: number | undefined;
  /** Inputs taken from the state at every run. */
  readonly stateInputs: readonly string[];
  readonly updates: readonly Update[];
  /** Outputs sent back. */
  readonly outputs: readonly string[];
}

type Entries = readonly (readonly [string, Tensor])[];

export interface Requests {
  createState: { args: { tensors: Entries }; result: number };
  readState: { args: { state: number; names: readonly string[] | undefined }; result: Entries };
  writeState: { args: { state: number; tensors: Entries }; result: null };
  disposeState: { args: { state: number }; result: null };
  compile: { args: { spec: ProgramSpec }; result: number };
  run: { args: { program: number; feeds: Entries }; result: Entries };
  disposeProgram: { args: { program: number }; result: null };
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
