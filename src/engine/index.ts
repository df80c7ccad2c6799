/** @file `pixelwise/engine`: compile and run graphs. */

export type {
  BackendName,
  CompileOptions,
  DeviceName,
  Engine,
  EngineOptions,
  Place,
  Program,
  RunOptions,
  State,
  TransferOptions,
} from './engine.js';
export { createNodeEngine } from './node.js';
