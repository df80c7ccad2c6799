/** @file What can draw a heat map: a segmentation model, or a classifier made fully convolutional. */

import { PixelwiseError } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import type { NamedTensors } from '../graph/tensor.js';
import type { Size } from '../image/picture.js';
import type { Preprocessing } from '../image/preprocessing.js';
import { nearestSide, networkGraph, requireInputs } from '../nets/network.js';
import { convolutionalize } from '../surgery/convolutionalize.js';
import type { LoadedClassifier } from './classifier.js';
import { loadModel } from './model.js';

export interface HeatSource {
  readonly name: string;
  /** By index, all names of each class. */
  readonly classes: readonly (readonly string[])[];
  readonly preprocessing: Preprocessing;
  readonly tensors: NamedTensors;
  /** Long side of the pictures it was made for. */
  readonly longSide: number;
  /** What a cell of the map means by itself. */
  readonly values: 'probability' | 'score';
  /** The size nearest to a picture's that it can run on. */
  inputSize(size: Size): Size;
  /** The graph at one size, with the score map before any enlargement as its only output. */
  map(size: Pair): Graph;
  /** The graph with its own enlargement, which a classifier does not have. */
  readonly enlarged?: (size: Pair) => Graph;
}

/** @throws ERR_USAGE naming the outputs for an output that the network does not have, and what `loadModel` throws */
export async function modelSource(model: string | URL | undefined, output = 'low'): Promise<HeatSource> {
  const { network, description, tensors } = await loadModel(model);
  requireInputs(network);
  const classes = description.classes.length;
  const graph = (size: Pair, name: string): Graph =>
    networkGraph(network, { classes, size, auxiliary: false, outputs: [name] });
  const [, channels] = graph(network.inputSize, output).outputs[0]!.value.shape;
  if (channels !== classes) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `'${output}' of ${network.name} holds ${channels} features, expected the scores of ${classes} classes. Name a score map, such as low.`,
      { subject: output },
    );
  }
  return {
    name: network.name,
    classes: description.classes.map((name) => [name]),
    preprocessing: description.preprocessing,
    tensors,
    longSide: description.longSide,
    values: 'probability',
    inputSize: ({ width, height }) => ({ width: nearestSide(network, width), height: nearestSide(network, height) }),
    map: (size) => graph(size, output),
    enlarged: (size) => graph(size, 'scores'),
  };
}

/** At least the classifier's own size, the aspect kept. */
function atLeast(own: Pair, { width, height }: Size): Size {
  const factor = Math.max(1, own[0] / height, own[1] / width);
  return { width: Math.max(own[1], Math.round(factor * width)), height: Math.max(own[0], Math.round(factor * height)) };
}

/**
 * @param pooling `slide`: each cell is the classifier on the window around it; `drop`: the map whose mean over the window
 *   that is, which is sharper. They differ only for classifiers that end in a mean over the map.
 */
export function classifierSource(classifier: LoadedClassifier, pooling: 'slide' | 'drop' = 'drop'): HeatSource {
  const own = classifier.graph();
  const size = own.inputs[0]!.shape.slice(2) as unknown as Pair;
  const [, , h, w] = convolutionalize(own, { pooling }).outputs[0]!.value.shape as [number, number, number, number];
  const shapes = (graph: Graph): string => graph.parameters.map((p) => p.value.shape.join('x')).join();
  return {
    name: classifier.name,
    classes: classifier.classes,
    preprocessing: classifier.preprocessing,
    tensors: classifier.tensors,
    longSide: 500,
    // Where the mean was dropped, the scores of single cells are no logits that a softmax could be taken of.
    values: h * w > 1 ? 'score' : 'probability',
    inputSize: (seen) => atLeast(size, seen),
    map: (at) => {
      // Pools of classifiers without fully connected layers may round by the size: drawn anew, they do.
      const drawn = classifier.graph(at);
      return convolutionalize(own, { size: at, pooling, ...(shapes(drawn) === shapes(own) && { drawn }) });
    },
  };
}
