/** @file The catalogue: every network that has a name. Adding one is a page and an entry here. */

import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';
import { fcnSqueezenet } from './fcn-squeezenet.js';
import { fcnVgg16 } from './fcn-vgg16.js';
import type { Classifier, Network } from './network.js';
import { squeezenet } from './squeezenet.js';
import { vgg } from './vgg.js';

export const networks: readonly Network[] = [
  ...(['berkeley', 'clean'] as const).flatMap((convention) => [
    fcnVgg16({ stride: 32, convention }),
    fcnVgg16({ stride: 16, convention }),
    fcnVgg16({ stride: 8, convention }),
    fcnVgg16({ stride: 8, atonce: true, convention }),
  ]),
  fcnSqueezenet({ stride: 16 }),
  fcnSqueezenet({ stride: 8 }),
];

/** The classifiers that the networks above grew from. */
export const classifiers: readonly Classifier[] = [vgg(11), vgg(13), vgg(16), vgg(19), squeezenet];

function find<T extends { readonly name: string }>(kind: string, among: readonly T[], name: string): T {
  const found = among.find((n) => n.name === name);
  if (found) return found;
  const names = among.map((n) => n.name);
  const guess = nearest(name, names);
  throw new PixelwiseError(
    'ERR_MODEL',
    `There is no ${kind} '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected one of ${names.join(', ')}.`,
    { subject: name },
  );
}

/** @throws ERR_MODEL with the nearest name and all names */
export const findNetwork = (name: string): Network => find('network', networks, name);

/** @throws ERR_MODEL with the nearest name and all names */
export const findClassifier = (name: string): Classifier => find('classifier', classifiers, name);
