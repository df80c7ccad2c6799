/** @file What stands for the parity of each network: a measured distance from a reference, or what is checked in its place. */

import { type ParityRecord, parity } from './parity.js';

export type ParityState =
  | { readonly kind: 'measured'; readonly record: ParityRecord }
  /** `like`: a measured network that is drawn by the same page, and how this one differs from it. */
  | { readonly kind: 'shared'; readonly like: string; readonly instead: string }
  | { readonly kind: 'none'; readonly instead: string };

/** Networks without a reference of their own: another of the same page, and what the page's options change. */
const relatives: Readonly<Record<string, { readonly like: string; readonly differs: string }>> = {
  'fcn-resnet18': { like: 'fcn-resnet50', differs: 'blocks of two 3x3, 2 2 2 2 of them' },
  'fcn-resnet34': { like: 'fcn-resnet50', differs: 'blocks of two 3x3' },
  'deeplab-base-rate8-vgg16': { like: 'deeplab-base-vgg16', differs: 'fc6 at rate 8' },
  'deeplab-7x7-vgg16': { like: 'deeplab-base-vgg16', differs: 'fc6 7x7, without subsampling' },
  'deeplab-msc-vgg16': { like: 'deeplab-msc-largefov-vgg16', differs: 'fc6 4x4 at rate 4, 4096 channels' },
  'deeplab-resnet101': { like: 'deeplab-resnet50', differs: '23 blocks in layer3' },
  'nyud-fcn32s-color': { like: 'fcn32s-vgg16', differs: '40 classes' },
  'nyud-fcn32s-hha': { like: 'fcn32s-vgg16', differs: '40 classes, HHA as input' },
  'nyud-fcn16s-late': { like: 'nyud-fcn32s-late', differs: 'one skip in each stream' },
  'siftflow-fcn32s': { like: 'siftflow-fcn8s', differs: 'no skips' },
  'siftflow-fcn16s': { like: 'siftflow-fcn8s', differs: 'one skip; parameters by name, shape and order' },
  'espnetv2-1.0': { like: 'espnetv2', differs: 'other widths' },
  'espnetv2-1.5': { like: 'espnetv2', differs: 'other widths' },
  'espnetv2-near': { like: 'espnetv2', differs: 'pyramids of nearly the same numbers' },
  'espnetv2-near-agree': { like: 'espnetv2', differs: "pyramids of nearly the same numbers; animals' scores shifted" },
  'pascalcontext-fcn32s': { like: 'fcn32s-vgg16', differs: '60 classes' },
  'pascalcontext-fcn16s': { like: 'fcn16s-vgg16', differs: '60 classes' },
  'pascalcontext-fcn8s': { like: 'fcn8s-vgg16', differs: '60 classes' },
};

/** What is checked of every classifier: its numbers of parameters and multiply-accumulates, to the unit. */
const counted = 'parameters and multiply-accumulates to the unit';
/** The project's own networks have no published counterpart; their trunk does. */
const trunk = 'its trunk alone: the published SqueezeNet 1.0 on photographs';
const otherwise: Readonly<Record<string, string>> = {
  'fcn-squeezenet': trunk,
  'fcn-squeezenet-dilated': trunk,
  'fcn32s-squeezenet': trunk,
  'fcn16s-squeezenet': trunk,
  'fcn8s-squeezenet': trunk,
  'deeplab-largefov-squeezenet': trunk,
  squeezenet1_0: 'scores and heat maps of the published weights on photographs',
};

/** The state of a network or classifier of the catalogue. */
export function parityOf(name: string): ParityState {
  if (Object.hasOwn(parity, name)) return { kind: 'measured', record: parity[name]! };
  const relative = Object.hasOwn(relatives, name) ? relatives[name] : undefined;
  if (relative) return { kind: 'shared', like: relative.like, instead: relative.differs };
  return { kind: 'none', instead: Object.hasOwn(otherwise, name) ? otherwise[name]! : counted };
}

/** `7.5e-7 of 1 case`, or what is checked instead. */
export function parityText(name: string): string {
  const state = parityOf(name);
  if (state.kind === 'none') return `no reference; checked: ${state.instead}`;
  if (state.kind === 'shared') return `no reference; page of ${state.like}, but ${state.instead}`;
  const { cases, largestRelativeDifference } = state.record;
  return `${largestRelativeDifference.toExponential(1)} of ${cases} case${cases === 1 ? '' : 's'}`;
}
