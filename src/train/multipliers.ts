/** @file Factors of rate and decay for the parameters that a recipe's patterns name. */

import { PixelwiseError } from '../errors.js';
import type { Graph, Parameter } from '../graph/ir.js';
import { nearest } from '../nearest.js';

export interface Multiplier {
  /** A regular expression. */
  readonly pattern: string;
  readonly rate: number;
  readonly decay: number;
}

/** A pattern that names nothing is a slip, and would leave a layer unfrozen or too fast without a word. */
function refused(pattern: string, network: Graph): PixelwiseError {
  const names = network.parameters.map((p) => p.value.name);
  const layers = [...new Set(names.map((n) => n.replace(/\.[^.]*$/, '')))];
  // What is left of the pattern without its signs is most like the name that was meant.
  const words = pattern.replace(/[\^$\\()|*+?[\]]/g, '');
  const guess = nearest(words, [...names, ...layers]);
  return new PixelwiseError(
    'ERR_RECIPE',
    `The multiplier pattern '${pattern}' matches no parameter of ${network.name}.${guess ? ` Did you mean '${guess}'?` : ''} ` +
      `Its layers are ${layers.slice(0, 12).join(', ')}${layers.length > 12 ? `, ... (${layers.length})` : ''}.`,
    { subject: pattern },
  );
}

/**
 * The network with each parameter's rate and decay times the factors of the last pattern that matches its name. A rate of 0
 * freezes.
 *
 * @throws ERR_RECIPE for a pattern that matches no parameter, with the nearest name
 */
export function withMultipliers(network: Graph, multipliers: readonly Multiplier[]): Graph {
  const rules = multipliers.map((m) => ({ ...m, test: new RegExp(m.pattern) }));
  const idle = rules.find((r) => !network.parameters.some((p) => r.test.test(p.value.name)));
  if (idle) throw refused(idle.pattern, network);
  const parameters = network.parameters.map((p): Parameter => {
    const rule = rules.findLast((r) => r.test.test(p.value.name));
    if (!rule) return p;
    const rate = p.rate * rule.rate;
    return { ...p, rate, decay: p.decay * rule.decay, trainable: p.trainable && rate > 0 };
  });
  return { ...network, parameters };
}
