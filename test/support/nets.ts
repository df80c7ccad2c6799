/** @file Which network of the catalogue each reference is of. */

import { readFileSync } from 'node:fs';
import type { Shape } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import type { BuildOptions, Network } from '../../src/nets/network.js';
import { fixture } from './shared.js';

interface Reference {
  readonly network: Network;
  readonly options: BuildOptions;
  /** The reference's names of maps, and ours. */
  readonly maps: Readonly<Record<string, string>>;
}

const fcn = { low: 'score_fr', out: 'scores' };
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
};

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

/** Height and width of a map [N, C, H, W]. */
export const sizeOfMap = (shape: Shape): string => `${shape[2]}x${shape[3]}`;
