/** @file Which network of the catalogue each reference is of. */

import { readFileSync } from 'node:fs';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import type { BuildOptions, Network } from '../../src/nets/network.js';
import { fixture } from './shared.js';

interface Reference {
  readonly network: Network;
  readonly options: BuildOptions;
  /** The reference's names of maps, and ours. */
  readonly maps: Readonly<Record<string, string>>;
  /** A map that the reference makes of another one, which the network has no use for. */
  readonly further?: (b: GraphBuilder, low: Value) => Readonly<Record<string, Value>>;
}

const fcn = { low: 'score_fr', out: 'scores' };
const torchvision = { out: 'scores', aux: 'auxiliary' };
const deeplab = { out: 'scores' };
const siftflow = { low_sem: 'score_fr_sem', low_geo: 'score_fr_geo', out_sem: 'scores', out_geo: 'geometric' };
/** Caffe's Interp by 8. */
const interp8: Reference['further'] = (b, low) => ({
  up8: b.resize(low, [(low.shape[2]! - 1) * 8 + 1, (low.shape[3]! - 1) * 8 + 1], true),
});
const of = (name: string, maps: Record<string, string> = fcn, options: BuildOptions = {}): Reference => ({
  network: findNetwork(name),
  options,
  maps,
});

/** By the reference's name; a map that is not renamed has the same name. */
export const references: Readonly<Record<string, Reference>> = {
  fcn32s_vgg16_berkeley: of('fcn32s-vgg16'),
  fcn16s_vgg16_berkeley: of('fcn16s-vgg16'),
  fcn8s_vgg16_berkeley: of('fcn8s-vgg16'),
  'fcn8s-atonce_vgg16_berkeley': of('fcn8s-atonce-vgg16'),
  fcn32s_vgg16_clean: of('fcn32s-vgg16-clean'),
  fcn16s_vgg16_clean: of('fcn16s-vgg16-clean'),
  fcn8s_vgg16_clean: of('fcn8s-vgg16-clean'),
  'fcn8s-atonce_vgg16_clean': of('fcn8s-atonce-vgg16-clean'),
  fcn_alexnet: of('fcn-alexnet'),
  fcn_googlenet: of('fcn-googlenet'),
  fcn_resnet50: of('fcn-resnet50', torchvision),
  fcn_resnet101: of('fcn-resnet101', torchvision),
  fcn_resnet50_noaux_c5: of('fcn-resnet50', torchvision, { auxiliary: false, classes: 5 }),
  deeplab_base4x4: { ...of('deeplab-base-vgg16', deeplab), further: interp8 },
  deeplab_largefov: of('deeplab-largefov-vgg16', deeplab),
  deeplab_msc_largefov: of('deeplab-msc-largefov-vgg16', deeplab),
  deeplab_largefov_resnet50: of('deeplab-largefov-resnet50', deeplab),
  deeplab_largefov_resnet101: of('deeplab-largefov-resnet101', deeplab),
  deeplabv1_dlpt_resnet50: of('deeplab-resnet50', deeplab),
  nyud_fcn32s_early: of('nyud-fcn32s-early'),
  nyud_fcn32s_late: of('nyud-fcn32s-late', {
    low: 'score_fused',
    low_color: 'score_frcolor',
    low_hha: 'score_frhha',
    out: 'scores',
  }),
  siftflow_fcn16s: of('siftflow-fcn16s', siftflow),
  siftflow_fcn8s: of('siftflow-fcn8s', siftflow),
};

/** References that list parameters only. */
export const withoutMaps: readonly string[] = ['fcn_resnet50_noaux_c5', 'siftflow_fcn16s'];

interface ParameterList {
  /** Learnable ones. */
  readonly parameters: number;
  /** `name shape` in order, running statistics included, fixed deconvolutions not. */
  readonly tensors: readonly string[];
}

export const parameterLists = JSON.parse(readFileSync(fixture('nets/parameters.json'), 'utf8')) as Record<
  string,
  ParameterList
>;
