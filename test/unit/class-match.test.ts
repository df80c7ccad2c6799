/** @file Which class of a model is which of a data set's: by name, whatever the order; by position only if names say nothing. */

import { describe, expect, it } from 'vitest';
import { matchClasses, translated } from '../../src/segment/class-match.js';

const set = (...classes: string[]) => ({ name: 'toy', classes });

describe('matchClasses', () => {
  it('goes by name, in any order, with or without more classes', () => {
    expect(matchClasses(['cat', 'dog'], set('cat', 'dog'))).toEqual({ by: 'name', classes: [0, 1], others: [] });
    expect(matchClasses(['dog', 'cat'], set('cat', 'dog'))).toEqual({ by: 'name', classes: [1, 0], others: [] });
    expect(matchClasses(['sky', 'dog', 'cat', 'void'], set('cat', 'dog'))).toEqual({
      by: 'name',
      classes: [2, 1, 0, 2],
      others: ['sky', 'void'],
    });
  });

  it('does not mind case, spaces, hyphens and underscores', () => {
    expect(matchClasses(['Night stand', 'floor-mat'], set('floormat', 'night_stand')).classes).toEqual([1, 0]);
  });

  it('goes by position where names differ or repeat, and the numbers agree', () => {
    expect(matchClasses(['a', 'b'], set('cat', 'dog'))).toEqual({ by: 'position', classes: [0, 1], others: [] });
    expect(matchClasses(['cat', 'cat'], set('cat', 'cat')).by).toBe('position');
  });

  it('refuses a model that lacks classes, and names them', () => {
    expect(() => matchClasses(['cat'], set('cat', 'dog'))).toThrow(/knows 1 classes .*toy has 2 .*does not know dog\./);
    // Two classes of the model under one name cannot be told apart.
    expect(() => matchClasses(['cat', 'cat', 'dog'], set('cat', 'dog'))).toThrow(/knows 3 classes/);
  });
});

describe('translated', () => {
  it('puts labels into the numbers of the data set, what it lacks into the next', () => {
    const labels = Uint8Array.of(0, 1, 2, 3, 2);
    expect([...translated(labels, matchClasses(['sky', 'dog', 'cat', 'void'], set('cat', 'dog')))]).toEqual([
      2, 1, 0, 2, 0,
    ]);
    expect(translated(labels, matchClasses(['a', 'b', 'c', 'd'], set('a', 'b', 'c', 'd')))).toBe(labels);
  });
});
