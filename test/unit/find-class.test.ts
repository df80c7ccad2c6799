/** @file Classes by what people call them. */

import { describe, expect, it } from 'vitest';
import { imagenetClasses } from '../../src/catalogue/imagenet-classes.js';
import { findClass } from '../../src/segment/find-class.js';

const imagenet = (wanted: string) => findClass(imagenetClasses, wanted, 'squeezenet1_0');
const refusal = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};

describe("ImageNet's classes", () => {
  it('are a thousand, in the order of the scores', () => {
    expect(imagenetClasses).toHaveLength(1000);
    expect(imagenetClasses[0]).toEqual(['tench', 'Tinca tinca']);
    expect(imagenetClasses[281]).toEqual(['tabby', 'tabby cat']);
    expect(imagenetClasses[319]).toContain("devil's darning needle");
    expect(imagenetClasses[665]).toEqual(['moped']);
    expect(imagenetClasses[999]).toEqual(['toilet tissue', 'toilet paper', 'bathroom tissue']);
    expect(
      imagenetClasses.flat().filter((name) => name !== name.trim() || name === '' || /\s{2}|;/.test(name)),
    ).toEqual([]);
  });
});

describe('findClass', () => {
  it.each([
    ['tabby cat', 281],
    ['Tabby', 281],
    ['TINCA TINCA', 0],
    ['281', 281],
    ['999', 999],
    ['toilet paper', 999],
  ])('%s', (wanted, index) => {
    expect(imagenet(wanted)).toBe(index);
  });

  it.each([
    ['cat', /has no class 'cat'.*281 tabby = tabby cat; 282 tiger cat; 283 Persian cat/],
    ['crane', /names 2 classes of squeezenet1_0.*134 crane; 517 crane/],
    ['goldfihs', /Did you mean 'goldfish'\?/],
    ['egyptan', /Classes with such a word: 285 Egyptian cat/],
    ['1000', /index from 0 to 999/],
    ['-1', /index from 0 to 999/],
    ['', /has no class ''/],
    ['xyzzyxyzzyxyzzy', /Expected a name, or an index from 0 to 999/],
  ])('refuses %j', (wanted, message) => {
    const error = refusal(() => imagenet(wanted));
    expect(error.code).toBe('ERR_USAGE');
    expect(error.message).toMatch(message);
  });

  it('lists few classes whole, and asks for the index where there are no names', () => {
    const few = refusal(() => findClass([['background'], ['cat']], 'horse', 'mine')).message;
    expect(few).toBe("mine has no class 'horse'. Expected background, cat, or an index from 0 to 1.");
    expect(refusal(() => findClass([[], [], []], 'cat', 'mine')).message).toMatch(/Expected an index from 0 to 2\./);
    expect(findClass([[], [], []], '2', 'mine')).toBe(2);
  });
});
