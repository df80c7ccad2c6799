/** @file What can be wrong with one sample by itself: a table of diagnoses. */

import { voidLabel } from '../../image/index-png.js';
import type { Size } from '../../image/picture.js';
import type { Dataset } from '../dataset.js';
import { lossyFormats } from './foreign-mask.js';
import type { Observation } from './observe.js';
import { counted, type Severity } from './report.js';

/** What a diagnosis knows of the whole. */
export interface SampleContext {
  readonly dataset: Dataset;
  /** The class, or 255, of every legal number. */
  readonly meaning: ReadonlyMap<number, number>;
  /** The command line's beginning that converts this data set. */
  readonly convert: string;
}

export interface SampleCheck {
  readonly code: string;
  readonly severity: Severity;
  /** Which of the sample's files is named. */
  readonly names: 'picture' | 'mask';
  /** What was found, in a few words, or undefined. */
  find(seen: Observation, context: SampleContext): string | undefined;
  /** What is wrong with `n` samples, the first of which is described by `first`. */
  message(n: number, first: string): string;
  fix(context: SampleContext): string;
}

/** A colour mask whose known share is above this was painted in the palette, and blurred afterwards. */
const mostlyKnown = 0.5;
/** Single pixels with a number between their neighbours', of all changes: hard edges have next to none. */
const softShare = 0.25;
/** Fewer pixels of that kind may be chance. */
const softPixels = 16;

const fault = (part: 'picture' | 'mask', missing: boolean) => (seen: Observation) =>
  seen.foreign && part === 'mask'
    ? undefined
    : seen.faults.find((f) => f.part === part && f.missing === missing)?.message;

const isPainted = ({ foreign }: Observation): boolean => foreign !== undefined && !lossyFormats.has(foreign.format);

const equal = (a: Size, b: Size): boolean => a.width === b.width && a.height === b.height;
const text = ({ width, height }: Size): string => `${width} x ${height}`;

/** Whether the mask belongs to the picture as its file stores it, before the EXIF orientation turns it. */
const isTurned = ({ picture, mask, foreign }: Observation): boolean => {
  const size = mask ?? foreign;
  return picture !== undefined && size !== undefined && !equal(picture.upright, size) && equal(picture.stored, size);
};

export const isSoft = ({ mask }: Observation): boolean =>
  mask !== undefined && mask.ramps >= softPixels && mask.ramps > softShare * mask.changes;

export const sampleChecks: readonly SampleCheck[] = [
  {
    code: 'missing-picture',
    severity: 'error',
    names: 'picture',
    find: fault('picture', true),
    message: (n) => `${counted(n, 'picture')} that the list names ${n === 1 ? 'does' : 'do'} not exist.`,
    fix: () => 'Restore the files, or take their ids out of the list.',
  },
  {
    code: 'missing-mask',
    severity: 'error',
    names: 'mask',
    find: fault('mask', true),
    message: (n) => `${counted(n, 'picture')} ${n === 1 ? 'has' : 'have'} no mask.`,
    fix: () => 'Restore the masks, or take their ids out of the list.',
  },
  {
    code: 'unreadable-picture',
    severity: 'error',
    names: 'picture',
    find: fault('picture', false),
    message: (n, first) => `${counted(n, 'picture')} cannot be read. ${first}`,
    fix: () => 'Copy or download them again, or take their ids out of the list.',
  },
  {
    code: 'unreadable-mask',
    severity: 'error',
    names: 'mask',
    find: fault('mask', false),
    message: (n, first) => `${counted(n, 'mask')} cannot be read. ${first}`,
    fix: () => 'Copy or export them again, or take their ids out of the list.',
  },
  {
    code: 'color-mask',
    severity: 'error',
    names: 'mask',
    find: (seen) => (isPainted(seen) && seen.foreign?.known === 1 ? 'painted' : undefined),
    message: (n) =>
      `${counted(n, 'mask')} hold${n === 1 ? 's' : ''} colours instead of class indices: a palette was expanded. ` +
      "Every colour is one of the data set's.",
    fix: ({ convert }) => `${convert} -o NEW`,
  },
  {
    code: 'blurred-color-mask',
    severity: 'error',
    names: 'mask',
    find: ({ foreign, ...seen }) => {
      if (!foreign || !isPainted({ foreign, ...seen }) || foreign.grey) return undefined;
      return foreign.known < 1 && foreign.known >= mostlyKnown
        ? `${foreign.colors} colours, among them ${foreign.strange.join(', ')}`
        : undefined;
    },
    message: (n, first) =>
      `${counted(n, 'mask')} hold${n === 1 ? 's' : ''} colours instead of class indices, and some colours belong to no ` +
      `class (${first}): edges were smoothed, or the mask was saved as JPEG once.`,
    fix: ({ convert }) => `${convert} --nearest -o NEW`,
  },
  {
    code: 'grey-color-mask',
    severity: 'error',
    names: 'mask',
    find: (seen) => (isPainted(seen) && seen.foreign?.grey && seen.foreign.known < 1 ? 'grey' : undefined),
    message: (n) =>
      `${counted(n, 'mask')} hold${n === 1 ? 's' : ''} three or four equal channels instead of one class index per pixel.`,
    fix: ({ convert }) =>
      `${convert} -o NEW (and, if the numbers are no classes yet, such as 255 for an object: --map 255=1)`,
  },
  {
    code: 'unknown-colors',
    severity: 'error',
    names: 'mask',
    find: (seen) => {
      const { foreign } = seen;
      if (!foreign || !isPainted(seen) || foreign.grey || foreign.known >= mostlyKnown) return undefined;
      return foreign.strange.length > 0 ? foreign.strange.join(', ') : text(foreign);
    },
    message: (n, first) =>
      `${counted(n, 'mask')} hold${n === 1 ? 's' : ''} colours instead of class indices, and not the data set's colours ` +
      `(${first}).`,
    fix: ({ convert }) =>
      `Write a file with a line 'name red green blue' per class, then: ${convert} --palette FILE -o NEW`,
  },
  {
    code: 'lossy-mask',
    severity: 'error',
    names: 'mask',
    find: ({ foreign }) => (foreign && lossyFormats.has(foreign.format) ? foreign.format.toUpperCase() : undefined),
    message: (n, first) =>
      `${counted(n, 'mask')} ${n === 1 ? 'is' : 'are'} saved as ${first}, which changes the numbers at every edge.`,
    fix: ({ convert }) => `Export them again as PNG; or, with some loss at the edges: ${convert} --nearest -o NEW`,
  },
  {
    code: 'soft-mask',
    severity: 'error',
    names: 'mask',
    find: (seen) => (isSoft(seen) ? `${seen.mask?.ramps} pixels` : undefined),
    message: (n, first) =>
      `${counted(n, 'mask')} ${n === 1 ? 'has' : 'have'} in-between numbers along the edges (${first} in the first): ` +
      'resized with interpolation, or drawn with smoothed edges. In-between numbers are other classes.',
    fix: () => 'Export the masks again without smoothing, and resize masks by nearest neighbour only.',
  },
  {
    code: 'exif-rotated',
    severity: 'error',
    names: 'picture',
    find: (seen) => (isTurned(seen) ? `orientation ${seen.picture?.orientation}` : undefined),
    message: (n, first) =>
      `${counted(n, 'picture')} ${n === 1 ? 'is' : 'are'} turned by ${n === 1 ? 'its' : 'their'} EXIF entry (${first}), ` +
      'and the mask was drawn on the picture as it was before.',
    fix: ({ convert }) => `${convert} -o NEW (it turns the masks with the pictures)`,
  },
  {
    code: 'exif-unclear',
    severity: 'warning',
    names: 'picture',
    find: (seen) => {
      const { picture, mask } = seen;
      // Where turning changes the size, the mask's size shows which of the two it belongs to.
      if (!picture || !mask || picture.orientation === 1 || !equal(picture.stored, picture.upright)) return undefined;
      return `orientation ${picture.orientation}`;
    },
    message: (n, first) =>
      `${counted(n, 'picture')} ${n === 1 ? 'is' : 'are'} turned by ${n === 1 ? 'its' : 'their'} EXIF entry (${first}), ` +
      'and sizes do not show whether the mask is turned too.',
    fix: () => "Look at them: 'pixelwise data browse'.",
  },
  {
    code: 'size-mismatch',
    severity: 'error',
    names: 'mask',
    find: (seen) => {
      const size = seen.mask ?? seen.foreign;
      if (!seen.picture || !size || equal(seen.picture.upright, size) || isTurned(seen)) return undefined;
      return `${text(seen.picture.upright)} and ${text(size)}`;
    },
    message: (n, first) =>
      `${counted(n, 'mask')} ${n === 1 ? 'has' : 'have'} another size than the picture (the first: ${first}).`,
    fix: () => "Export the masks again at the pictures' size, by nearest neighbour.",
  },
  {
    code: 'all-void',
    severity: 'warning',
    names: 'mask',
    find: ({ mask }, { meaning }) =>
      mask && [...mask.counts.keys()].every((value) => meaning.get(value) === voidLabel) ? 'void' : undefined,
    message: (n) => `${counted(n, 'mask')} ${n === 1 ? 'is' : 'are'} empty: every pixel is void, so nothing is learnt.`,
    fix: () => 'Take them out of the list, or label them.',
  },
  {
    code: 'only-background',
    severity: 'note',
    names: 'mask',
    find: ({ mask }, { dataset, meaning }) => {
      const background = dataset.classes.indexOf('background');
      const labels = new Set([...(mask?.counts.keys() ?? [])].map((value) => meaning.get(value)));
      labels.delete(voidLabel);
      return background >= 0 && labels.size === 1 && labels.has(background) ? 'background' : undefined;
    },
    message: (n) => `${counted(n, 'mask')} hold${n === 1 ? 's' : ''} background only.`,
    fix: () => 'Nothing to do if the pictures show no object.',
  },
];
