/** @file `pixelwise/graph`: build graphs, differentiate them, read and write ONNX. No dependency on an engine. */

export { type ConvOptions, GraphBuilder, type ParameterOptions, type PoolOptions } from './builder.js';
export { type CoordinateMap, compose, coordinateMap, cropOffset, invert, type ProducerOf } from './coordinates.js';
export { differentiate } from './differentiate.js';
export type { Constant, Graph, Init, Node, NodeOf, OpAttributes, OpType, Output, Parameter, Value } from './ir.js';
export * from './onnx/index.js';
export { type RewriteRule, type Rewritten, rewrite } from './rewrite.js';
export {
  type DType,
  floats,
  formatShape,
  type NamedTensors,
  type Shape,
  type Tensor,
  tensor,
  toFloat32,
  zeros,
} from './tensor.js';
