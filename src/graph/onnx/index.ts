/** @file The ONNX codec: graphs to files and files to graphs. */

export type { ExternalData } from './tensors.js';
export { type WriteOptions, type WrittenModel, writeOnnx } from './write.js';
