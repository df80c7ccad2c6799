/** @file What the CRF's hosts share: problems, settings, presets, and the slow exact one. */

export { exactCrf } from './exact.js';
export type { CrfStep } from './leader.js';
export { type CrfSettings, defaultPreset, kernelsOf, type PresetName, parseCrfSettings, presets } from './presets.js';
export type {
  BilateralKernel,
  Compatibility,
  CrfInput,
  CrfKernel,
  CrfProblem,
  FeatureKernel,
  Normalization,
  SpatialKernel,
  Unary,
} from './problem.js';
export {
  CrfInference,
  type CrfOptions,
  type CrfPreview,
  type CrfResult,
  CrfSession,
  memoryEstimate,
} from './session.js';
