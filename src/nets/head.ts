/** @file One of a network's further heads as a network of its own: what is done with a network can be done with it. */

import { internal, PixelwiseError } from '../errors.js';
import type { Network } from './network.js';

/**
 * The network whose score map is that of the head `name`.
 *
 * @param classes of the first head, which is drawn along, so that the parameters stay those of the whole network
 * @throws ERR_USAGE for a head that the network does not have
 */
export function headOf(network: Network, name: string, classes = network.classes): Network {
  const { heads = {}, ...rest } = network;
  const own = Object.hasOwn(heads, name) ? heads[name] : undefined;
  if (!own) {
    const known = Object.keys(heads);
    const expected =
      known.length > 0 ? `Expected ${known.join(', ')}, or none for the first` : 'It has one: leave it out';
    throw new PixelwiseError('ERR_USAGE', `${network.name} has no head '${name}'. ${expected}.`, { subject: name });
  }
  return {
    ...rest,
    classes: own.length,
    build(b, image, options = {}) {
      const head = network.build(b, image, { ...options, classes }).heads?.[name];
      if (!head) throw internal(`${network.name} does not draw its head '${name}'`);
      return head;
    },
  };
}
