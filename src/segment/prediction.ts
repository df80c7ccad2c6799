/**
 * @file The graph between pictures and answers: one or more views of a picture through the network, averaged, and what is
 * asked about them. All of it runs inside the engine, so that score maps cross into JavaScript only when they are the answer.
 */

import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Pair, Value } from '../graph/ir.js';
import { checkSize, inputChannels, type Network } from '../nets/network.js';
import { fullSize, lastInterpolation, mostProbable } from '../surgery/label-tail.js';
import { pruned } from '../surgery/prune.js';

/**
 * - `labels`: uint8 [1, h, w], the most probable class
 * - `logits`: float32 [1, C, h, w], as the network puts them out; of a single view only
 * - `probabilities`: float32 [1, C, h, w], softmax over the classes, averaged over the views
 * - `weighted`: probabilities times the inputs `rows` [1, 1, h, 1] and `columns` [1, 1, 1, w], for blending tiles
 */
export type AnswerKind = 'labels' | 'logits' | 'probabilities' | 'weighted';

export interface Question {
  /** Height and width of every view, which are the inputs `image`, `image1`, ...: float32 [1, C, h, w], preprocessed. */
  readonly views: readonly Pair[];
  /** See every view mirrored too. */
  readonly flip?: boolean;
  /** Height and width of the answers; score maps of another size are interpolated (pixel corners aligned). */
  readonly size: Pair;
  readonly answers: readonly AnswerKind[];
  /**
   * For frames in order: the share that the frames before keep, 0 to 1. The graph then has a parameter `previous` float32
   * [1, C, h, w] and an output `average` that takes its place. It grows from zeros; its sum does not matter to the arg-max.
   */
  readonly smoothing?: number;
}

/** The input's name of a view. */
export const viewName = (i: number): string => (i === 0 ? 'image' : `image${i}`);

/** Left and right changed over. */
const mirrored = (b: GraphBuilder, x: Value): Value => b.slice(x, [3], [-1], [-x.shape[3]! - 1], [-1]);

const softmax = (b: GraphBuilder, x: Value): Value => b.op('Softmax', [x], { axis: 1 });

/** Logits of one view at the size of the answers: [1, C, h, w], or [2, C, h, w] with the mirrored one. */
function scoresOf(b: GraphBuilder, network: Network, classes: number, image: Value, q: Question): Value {
  const seen = q.flip ? b.concat([image, mirrored(b, image)], 0) : image;
  return fullSize(b, network.build(b, seen, { classes, auxiliary: false }).scores, q.size);
}

/** The mean over all views, mirrored ones turned back. */
function meanProbabilities(b: GraphBuilder, scores: readonly Value[], flip: boolean): Value {
  const parts = scores.flatMap((s) => {
    const p = softmax(b, s);
    if (!flip) return [p];
    return [b.slice(p, [0], [0], [1]), mirrored(b, b.slice(p, [0], [1], [2]))];
  });
  const sum = parts.reduce((x, y) => b.add(x, y));
  return parts.length === 1 ? sum : b.mul(sum, b.scalar(1 / parts.length));
}

/** How the labels follow from the small map. */
export interface Seam {
  /** The map's name among the outputs. */
  readonly output: string;
  /** Height times width. */
  readonly cells: number;
  readonly alignCorners: boolean;
}

/**
 * The graph up to the scores of a view, or to the smaller map that the network's last layer only interpolates: output `small`
 * float32 [1, C, h, w].
 * Pictures of many sizes are often seen at few, and most labels are known without enlarging the scores (`enlargedLabels`).
 *
 * @throws ERR_SHAPE for a view that the network cannot run on
 */
export function smallGraph(
  network: Network,
  classes: number,
  view: Pair,
): { readonly graph: Graph; readonly seam: Seam } {
  checkSize(network, view);
  const b = new GraphBuilder(`${network.name}-small`);
  const image = b.input(viewName(0), 'float32', [1, inputChannels(network), ...view]);
  const { scores } = network.build(b, image, { classes, auxiliary: false });
  const { small, alignCorners } = lastInterpolation(b, scores) ?? { small: scores, alignCorners: false };
  b.output('small', small);
  const [, , h, w] = small.shape as readonly [number, number, number, number];
  return { graph: pruned(b.finish()), seam: { output: 'small', cells: h * w, alignCorners } };
}

/**
 * Draws the graph that answers a question.
 *
 * @throws ERR_SHAPE for a view that the network cannot run on
 */
export function predictionGraph(network: Network, classes: number, q: Question): Graph {
  const b = new GraphBuilder(`${network.name}-${q.answers.join('-')}`);
  const { flip = false, size, smoothing } = q;
  for (const view of q.views) checkSize(network, view);
  const images = q.views.map((view, i) => b.input(viewName(i), 'float32', [1, inputChannels(network), ...view]));
  const scores = images.map((image) => scoresOf(b, network, classes, image, q));
  const isSingle = scores.length === 1 && !flip;

  let probabilities: Value | undefined;
  const mean = (): Value => {
    probabilities ??= meanProbabilities(b, scores, flip);
    return probabilities;
  };
  if (smoothing !== undefined) {
    const previous = b.parameter('previous', [1, classes, ...size]);
    probabilities = b.add(b.mul(previous, b.scalar(smoothing)), b.mul(mean(), b.scalar(1 - smoothing)));
    b.output('average', probabilities);
  }
  const answers: Record<AnswerKind, () => Value> = {
    // The largest logit is the largest probability: one view needs no softmax.
    labels: () => mostProbable(b, isSingle && smoothing === undefined ? scores[0]! : mean()),
    logits: () => scores[0]!,
    probabilities: mean,
    weighted: () => {
      const rows = b.input('rows', 'float32', [1, 1, size[0], 1]);
      const columns = b.input('columns', 'float32', [1, 1, 1, size[1]]);
      return b.mul(mean(), b.mul(rows, columns));
    },
  };
  for (const kind of q.answers) b.output(kind, answers[kind]());
  return pruned(b.finish());
}
