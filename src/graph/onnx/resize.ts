/** @file The attributes of Resize: sizes or scales, and the rules of the nearest cell that agree between both worlds. */

import { AttributeProto_AttributeType as Type } from 'onnx-buf';
import type { NodeOf, OpAttributes } from '../ir.js';
import type { Shape } from '../tensor.js';
import { attribute, type Field, input, type Source, shapeOf } from './fields.js';
import { type AttributeValue, showAttribute, sizes, word } from './kinds.js';

export const resizeMode = attribute(word('linear', 'nearest'), () => 'nearest');
const anyResize = attribute(
  word('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'),
  () => 'half_pixel',
);
const givenSizes = input(sizes, 3);
/** Sizes, or the scales from which they follow. Scales that do not give whole sizes resample differently. */
export const resizeSizes: Field<Shape> = {
  write: givenSizes.write,
  read(source, name) {
    source.constant(1); // The region of interest counts in a mode that is not read.
    const scales = source.constant(2);
    if (!scales || scales.data.length === 0) return givenSizes.read(source, name);
    const from = shapeOf(source);
    const to = from.map((d, i) => d * Number(scales.data[i]));
    if (scales.data.length !== from.length || !to.every(Number.isInteger)) {
      throw source.refuse(
        `Expected scales that give whole sizes, received ${scales.data.join(', ')} for ${from.join('x')}. ` +
          'Export the model with sizes.',
      );
    }
    return to;
  },
};
/** PyTorch's rule is the half-pixel rule, but for maps of one cell. */
export const resizeCoordinates: Field<OpAttributes['Resize']['coordinate_transformation_mode']> = {
  write: anyResize.write as Field<OpAttributes['Resize']['coordinate_transformation_mode']>['write'],
  read(source, name) {
    const mode = anyResize.read(source, name);
    if (mode !== 'pytorch_half_pixel') return mode;
    const [, , ...to] = resizeSizes.read(source, 'sizes');
    if (to.includes(1)) throw source.refuse('Expected half_pixel for a size of 1, received pytorch_half_pixel.');
    return 'half_pixel';
  },
};
/** The nearest cell of `asymmetric` is the one before, as in PyTorch; of the other rules, ONNX's default. */
const nearestMode = (coordinates: string): string => (coordinates === 'asymmetric' ? 'floor' : 'round_prefer_floor');

/** Only the nearest cell needs a rule to be found by. */
export function spellNearest({ attributes }: NodeOf<'Resize'>): Readonly<Record<string, AttributeValue>> {
  if (attributes.mode === 'linear') return {};
  const mode = nearestMode(attributes.coordinate_transformation_mode);
  return { nearest_mode: { type: Type.STRING, s: new TextEncoder().encode(mode) } };
}

/** Refuses another rule than the one that `spellNearest` writes. */
export function checkNearest(source: Source, { mode, coordinate_transformation_mode }: OpAttributes['Resize']): void {
  const found = source.attribute('nearest_mode');
  const [expected, received] = [nearestMode(coordinate_transformation_mode), found ? showAttribute(found) : ''];
  if (mode === 'nearest' && (received || 'round_prefer_floor') !== expected) {
    throw source.refuse(
      `Expected nearest_mode ${expected} with ${coordinate_transformation_mode}, received ${received || 'none'}.`,
    );
  }
}
