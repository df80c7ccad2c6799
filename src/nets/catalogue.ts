/** @file The catalogue: every network that has a name. Adding one is a page and an entry here. */

import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';
import { alexnet, fcnAlexnet } from './alexnet.js';
import { deeplabResnet } from './deeplab-resnet.js';
import { deeplabVgg16 } from './deeplab-vgg16.js';
import { espnet } from './espnet.js';
import { espnetv2 } from './espnetv2.js';
import { fcnResnet } from './fcn-resnet.js';
import { fcnSqueezenet } from './fcn-squeezenet.js';
import { fcnVgg16, pascalContext } from './fcn-vgg16.js';
import { fcnGooglenet, googlenet } from './googlenet.js';
import type { Classifier, Network } from './network.js';
import { nyudColor, nyudEarly, nyudHha, nyudLate, nyudLate16 } from './nyud.js';
import { resnet } from './resnet.js';
import { siftflow } from './siftflow.js';
import { deeplabSmall, fcnSmall } from './small-squeezenet.js';
import { squeezenet } from './squeezenet.js';
import { vgg } from './vgg.js';

export const networks: readonly Network[] = [
  fcnSqueezenet({ stride: 16 }),
  fcnSqueezenet({ stride: 8 }),
  ...([32, 16, 8] as const).map(fcnSmall),
  deeplabSmall,
  ...(['berkeley', 'clean'] as const).flatMap((convention) => [
    fcnVgg16({ stride: 32, convention }),
    fcnVgg16({ stride: 16, convention }),
    fcnVgg16({ stride: 8, convention }),
    fcnVgg16({ stride: 8, atonce: true, convention }),
  ]),
  fcnAlexnet,
  fcnGooglenet,
  ...([18, 34, 50, 101] as const).map((depth) => fcnResnet({ depth })),
  deeplabVgg16({ view: 'base' }),
  deeplabVgg16({ view: 'base-rate8' }),
  deeplabVgg16({ view: '7x7' }),
  deeplabVgg16({ view: 'largefov' }),
  deeplabVgg16({ view: 'base', multiscale: true }),
  deeplabVgg16({ view: 'largefov', multiscale: true }),
  ...([50, 101] as const).flatMap((depth) => [
    deeplabResnet({ depth, head: 'largefov' }),
    deeplabResnet({ depth, head: 'plain' }),
  ]),
  ...([0.5, 1, 1.5, 2] as const).map((scale) => espnetv2({ scale })),
  espnetv2({ scale: 2, near: true }),
  espnetv2({ scale: 2, near: true, agree: true }),
  espnet,
  nyudColor,
  nyudHha,
  nyudEarly,
  nyudLate,
  nyudLate16,
  siftflow(32),
  siftflow(16),
  siftflow(8),
  pascalContext(32),
  pascalContext(16),
  pascalContext(8),
];

/** The classifiers that the networks above grew from. */
export const classifiers: readonly Classifier[] = [
  alexnet,
  googlenet,
  squeezenet,
  ...([11, 13, 16, 19] as const).map(vgg),
  ...([18, 34, 50, 101, 152] as const).map(resnet),
];

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
