/** @file What a graph knows and ONNX has no place for: one JSON text among the model's metadata. */

import type { Parameter } from '../ir.js';

/** The key in `metadata_props`. */
export const metadataKey = 'pixelwise.graph';

export interface Metadata {
  readonly version: 1;
  readonly parameters: readonly (Omit<Parameter, 'value'> & { readonly name: string })[];
  /** Initializers that are values of the graph; the others only spell out attributes. */
  readonly constants: readonly string[];
  /** Outputs that exist only to give a value a second name. */
  readonly aliases: readonly string[];
  /** Values that had to make way for the name of an output: name in the file, name in the graph. */
  readonly renamed: readonly (readonly [string, string])[];
}

/** How a parameter is treated where no metadata says so. */
export const parameterDefaults: Omit<Parameter, 'value'> = {
  init: { kind: 'constant', value: 0 },
  trainable: true,
  rate: 1,
  decay: 1,
};
