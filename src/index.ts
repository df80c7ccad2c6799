/** @file The package's front door: segment pictures. Training, networks and files have doors of their own. */

export { type ErrorCode, PixelwiseError } from './errors.js';
export type { LabelMap } from './image/index-png.js';
export type { ImageInput, Picture, RawPixels } from './image/picture.js';
export { defaultModel } from './segment/default-model.js';
export { shippedModels } from './segment/model.js';
export { type ClassShare, Segmentation } from './segment/segmentation.js';
export { Segmenter, type SegmenterOptions, type SegmentOptions } from './segment/segmenter.js';
export type { ModelDescription } from './weights/model.js';
