/** @file What a person watching a run would notice: a loss that does not move, predictions that are one class. */

import type { Scores } from '../../metrics/scores.js';
import type { TrainEvent } from '../trainer.js';

/** Updates of one mean: losses of single crops say little. */
const stretch = 100;
/** Stretches that a loss may take to fall by `leastFall` of its start. */
const stretches = 5;
const leastFall = 0.01;

/** Collapsed evaluations must lie this many updates apart before anything is said: every run starts with one class. */
const longEnough = 100;
/** Of the pixels of other classes, the share that must be predicted as some other class. */
const leastOthers = 0.05;

/** The class that nearly everything was predicted as although the truth holds others, or undefined. */
export function collapsedTo({ classes }: Pick<Scores, 'classes'>): number | undefined {
  const total = (of: 'pixels' | 'predicted') => classes.reduce((sum, c) => sum + c[of], 0);
  const [pixels, predicted] = [total('pixels'), total('predicted')];
  const most = classes.reduce((best, c, i) => (c.predicted > classes[best]!.predicted ? i : best), 0);
  if (predicted === 0) return undefined;
  const [others, found] = [pixels - classes[most]!.pixels, predicted - classes[most]!.predicted];
  return others > 0 && found < leastOthers * others ? most : undefined;
}

/** Looks at a run's losses and scores, and says each thing once until it is over. */
export class Watch {
  readonly #classes: readonly string[];
  readonly #warmup: number;
  #sum = 0;
  #count = 0;
  readonly #means: number[] = [];
  /** Since which update predictions have been one class. */
  #collapsed: { since: number; said: boolean } | undefined;

  constructor(classes: readonly string[], warmup = 0) {
    this.#classes = classes;
    this.#warmup = warmup;
  }

  /** What there is to say about an event. */
  see(event: TrainEvent): string | undefined {
    if (event.kind === 'update') return this.#loss(event.update, event.loss);
    return event.kind === 'evaluation' ? this.#scores(event.update, event.scores) : undefined;
  }

  #loss(update: number, loss: number): string | undefined {
    if (update <= this.#warmup || this.#means.length === stretches) return undefined;
    this.#sum += loss;
    if (++this.#count < stretch) return undefined;
    this.#means.push(this.#sum / stretch);
    this.#sum = 0;
    this.#count = 0;
    const [first = 0, ...later] = this.#means;
    if (this.#means.length < stretches || Math.min(...later) < first * (1 - leastFall)) return undefined;
    return (
      `The loss has not moved in ${stretches * stretch} updates (mean ${first.toPrecision(4)} at first, ` +
      `${later.at(-1)!.toPrecision(4)} now). Raise the rate, check that the labels belong to the pictures, ` +
      'and that the layers that should learn are not frozen.'
    );
  }

  #scores(update: number, scores: Scores): string | undefined {
    const one = collapsedTo(scores);
    if (one === undefined) {
      this.#collapsed = undefined;
      return undefined;
    }
    this.#collapsed ??= { since: update, said: false };
    const { since, said } = this.#collapsed;
    if (said || update - since < longEnough) return undefined;
    this.#collapsed.said = true;
    return (
      `Nearly all predictions have been '${this.#classes[one] ?? one}' since update ${since}, although other classes are there. ` +
      'Early in a run that passes. If it stays: give rare classes a weight (loss.classWeights), lower the rate, or ' +
      'start from pretrained weights.'
    );
  }
}
