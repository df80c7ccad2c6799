/** @file Operator to gradient rule: the one table. `null` says that no gradient exists. */

import type { OpType } from '../ir.js';
import { convRule, convTransposeRule } from './conv.js';
import * as elementwise from './elementwise.js';
import * as movement from './movement.js';
import * as normalization from './normalization.js';
import { averagePoolRule, globalAveragePoolRule, maxPoolRule, resizeRule } from './pool.js';
import type { GradientRule } from './rule.js';

export const gradientRules: { [O in OpType]: GradientRule<O> | null } = {
  Conv: convRule,
  ConvTranspose: convTransposeRule,
  MaxPool: maxPoolRule,
  MaxUnpool: null,
  AveragePool: averagePoolRule,
  GlobalAveragePool: globalAveragePoolRule,
  LRN: normalization.lrnRule,
  BatchNormalization: normalization.batchNormalizationRule,
  Softmax: normalization.softmaxRule,
  LogSoftmax: normalization.logSoftmaxRule,
  Relu: elementwise.reluRule,
  LeakyRelu: elementwise.leakyReluRule,
  PRelu: elementwise.preluRule,
  Sigmoid: elementwise.sigmoidRule,
  Exp: elementwise.expRule,
  Log: elementwise.logRule,
  Sqrt: elementwise.sqrtRule,
  Neg: elementwise.negRule,
  Abs: null,
  Identity: elementwise.identityRule,
  Add: elementwise.addRule,
  Sub: elementwise.subRule,
  Mul: elementwise.mulRule,
  Div: elementwise.divRule,
  Pow: elementwise.powRule,
  Max: null,
  Greater: null,
  Equal: null,
  Where: elementwise.whereRule,
  Cast: null,
  QuantizeLinear: null,
  DequantizeLinear: null,
  Dropout: null,
  Concat: movement.concatRule,
  Slice: movement.sliceRule,
  Pad: movement.padRule,
  Reshape: movement.reshapeRule,
  Transpose: movement.transposeRule,
  Expand: movement.expandRule,
  OneHot: null,
  Gather: null,
  GatherElements: null,
  ScatterElements: null,
  Resize: resizeRule,
  ReduceSum: movement.reduceSumRule,
  ReduceMean: movement.reduceMeanRule,
  ReduceMax: null,
  ArgMax: null,
  TopK: null,
  MatMul: movement.matMulRule,
  Gemm: movement.gemmRule,
  SoftmaxCrossEntropyLoss: normalization.crossEntropyRule,
};
