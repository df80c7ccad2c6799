/** @file `pixelwise/engine`: compile and run graphs. */

export type { CompileOptions, Engine, EngineOptions, Program, RunOptions, State } from './engine.js';
export { createNodeEngine } from './node.js';
