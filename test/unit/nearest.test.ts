/** @file The known word nearest to a mistyped one. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/nearest.js';

const words = ['fcn8s-vgg16', 'fcn16s-vgg16', 'fcn32s-vgg16', 'fcn-alexnet', 'deeplab-largefov-vgg16'];

describe('nearest', () => {
  it.each([
    ['fcn8-vgg16', 'fcn8s-vgg16'],
    ['FCN32S-VGG16', 'fcn32s-vgg16'],
    ['fcn-alxenet', 'fcn-alexnet'],
    ['deeplab-largefov', 'deeplab-largefov-vgg16'],
  ])('%s: %s', (typed, meant) => {
    expect(nearest(typed, words)).toBe(meant);
  });

  it.each(['', 'segformer', 'x'])('nothing near %j', (typed) => {
    expect(nearest(typed, words)).toBeUndefined();
    expect(nearest(typed, [])).toBeUndefined();
  });

  it('finds a word with one fault among others, and every word itself', () => {
    const word = fc.stringMatching(/^[a-z]{6,12}$/);
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(), (list, which, where) => {
        const meant = list[which % list.length]!;
        expect(nearest(meant, list)).toBe(meant);
        const at = where % meant.length;
        const typed = `${meant.slice(0, at)}#${meant.slice(at + 1)}`;
        const found = nearest(typed, list);
        // Another word may be one fault away, too, but none is nearer.
        expect([...(found ?? '')].filter((c, i) => c !== typed[i])).toHaveLength(1);
      }),
    );
  });

  it('does not depend on the order of the rest', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(words, { minLength: words.length }), (list) => {
        expect(nearest('fcn8s-vgg1', list)).toBe('fcn8s-vgg16');
      }),
    );
  });
});
