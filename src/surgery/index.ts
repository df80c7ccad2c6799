/** @file `pixelwise/surgery`: functions from graph to graph. */

export { type ConvolutionalizeOptions, convolutionalize, fullyConnect } from './convolutionalize.js';
export { type DenseCost, denseCosts } from './dense-cost.js';
export { inferenceGraph, quantizedNetwork } from './quantize/network.js';
export { quantizeWeights } from './quantize/quantize.js';
export { rarefy, strideOf } from './rarefy.js';
export { shiftAndStitch } from './stitch.js';
