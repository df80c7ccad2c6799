/** @file The package's front door: segment pictures. Training, networks and files have doors of their own. */

export { type ErrorCode, PixelwiseError } from './errors.js';
export type { LabelMap } from './image/index-png.js';
export type { ImageInput, Picture, RawPixels } from './image/picture.js';
export { defaultModel } from './segment/default-model.js';
export type { FurtherInputs } from './segment/further-inputs.js';
export type { Outcome } from './segment/in-order.js';
export type { ViewOptions } from './segment/label-picture.js';
export { shippedModels } from './segment/model.js';
export type { OutlineOptions, Polygon } from './segment/polygons.js';
export type { ViewPreset } from './segment/presets.js';
export { type CalibrateOptions, calibrate } from './segment/quantize/calibrate.js';
export { type QuantizedModel, type QuantizeOptions, quantizeModel } from './segment/quantize/quantize-model.js';
export type { CocoMask } from './segment/rle.js';
export {
  type ClassMask,
  type ClassShare,
  type OutlineCollection,
  type ScoreMap,
  Segmentation,
} from './segment/segmentation.js';
export {
  type FrameOptions,
  type LabeledFrame,
  type SegmentAllOptions,
  Segmenter,
  type SegmenterOptions,
  type SegmentOptions,
} from './segment/segmenter.js';
export type { FileSegmentation, ResultFiles } from './segment/write-bands.js';
export type { ModelDescription } from './weights/model.js';
