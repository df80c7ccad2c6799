import { expect, it } from 'vitest';
import { turn } from '../../src/turn.js';

it('timers that are due run first, whatever else waits for its turn', async () => {
  const order: string[] = [];
  const started = performance.now();
  setTimeout(() => order.push('timer'), 1);
  while (performance.now() - started < 5);
  await Promise.all([turn().then(() => order.push('turn')), turn().then(() => order.push('turn'))]);
  expect(order).toEqual(['timer', 'turn', 'turn']);
});
