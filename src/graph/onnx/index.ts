/** @file The ONNX codec: graphs to files and files to graphs. */

export { type ReadModel, type ReadOptions, readOnnx } from './read.js';
export type { ExternalData } from './tensors.js';
export { type WriteOptions, type WrittenModel, writeOnnx } from './write.js';
