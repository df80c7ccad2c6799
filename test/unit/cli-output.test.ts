/** @file What the command line prints, to the letter. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bar, errorJson, errorText, formatDuration, percent, print, say, status, table } from '../../src/cli/output.js';
import { PixelwiseError } from '../../src/errors.js';

describe('formatDuration', () => {
  it.each([
    [0, '0:00'],
    [0.4, '0:00'],
    [59.6, '1:00'],
    [61, '1:01'],
    [3599.4, '59:59'],
    [3599.6, '1:00:00'],
    [90_061, '25:01:01'],
    [-3, '0:00'],
  ])('%s s is %s', (seconds, expected) => expect(formatDuration(seconds)).toBe(expected));
});

it('percent shows what is undefined as a dash', () => {
  expect([percent(0), percent(1), percent(0.12345, 2), percent(Number.NaN)]).toEqual([
    '0.0 %',
    '100.0 %',
    '12.35 %',
    '-',
  ]);
});

it('table aligns words to the left and numbers to the right, without spaces at the ends', () => {
  const rows = [
    ['class', 'IU', 'pictures'],
    ['cat', '5.0 %', '7'],
    ['background', '100.0 %', '1200'],
    ['dog', '-', ''],
  ];
  expect(table(rows)).toBe(
    [
      'class       IU       pictures',
      'cat           5.0 %         7',
      'background  100.0 %      1200',
      'dog               -',
    ].join('\n'),
  );
  // What begins with a number but says more is a text.
  expect(table([['a'], ['7.5e-7 of 1 case'], ['12 ms'], ['1 to 2 %']])).toBe(
    ['a', '7.5e-7 of 1 case', '           12 ms', '        1 to 2 %'].join('\n'),
  );
  expect(table([])).toBe('');
});

describe('bar', () => {
  const red = [200, 10, 20] as const;
  const environment = { ...process.env };
  beforeEach(() => {
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) delete process.env[name];
  });
  afterEach(() => {
    process.env = { ...environment };
    vi.unstubAllGlobals();
  });

  /** Whether a bar is colored, on a terminal or not. */
  function colored(isTTY: boolean, variables: Record<string, string> = {}): boolean {
    Object.assign(process.env, variables);
    const { isTTY: before } = process.stdout;
    process.stdout.isTTY = isTTY;
    try {
      return bar(1, red).includes('\u001b[38;2;200;10;20m');
    } finally {
      process.stdout.isTTY = before;
    }
  }

  it('is as long as the share, and never empty', () => {
    process.env.NO_COLOR = '1';
    expect([0, 0.001, 0.5, 1].map((share) => bar(share, red).length)).toEqual([1, 1, 12, 24]);
    expect(bar(0.5, red)).toBe('█'.repeat(12));
  });

  it('has colors on terminals only', () => {
    expect(colored(true)).toBe(true);
    expect(colored(false)).toBe(false);
  });

  it.each<[string, boolean, Record<string, string>, boolean]>([
    ['NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['NO_COLOR before FORCE_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    ['an empty NO_COLOR says nothing', true, { NO_COLOR: '' }, true],
    ['FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false],
    ['TERM=dumb', true, { TERM: 'dumb' }, false],
  ])('obeys %s', (_, isTTY, variables, expected) => expect(colored(isTTY, variables)).toBe(expected));

  it('leaves black uncolored, which a dark terminal would hide', () => {
    process.env.FORCE_COLOR = '1';
    expect(bar(1, [0, 0, 0])).toBe('█'.repeat(24));
  });

  it('ends its color', () => {
    process.env.FORCE_COLOR = '1';
    expect(bar(1, red).endsWith('\u001b[0m')).toBe(true);
  });
});

describe('the live line', () => {
  /** What is written to both streams; stderr has 20 columns unless told. */
  function written(isTTY: boolean, act: () => void, columns = 20): string {
    let text = '';
    const writes = [process.stderr, process.stdout].map((stream) =>
      vi.spyOn(stream, 'write').mockImplementation((part) => {
        text += part;
        return true;
      }),
    );
    const before = { isTTY: process.stderr.isTTY, columns: process.stderr.columns, TERM: process.env.TERM };
    Object.assign(process.stderr, { isTTY, columns });
    process.env.TERM = 'xterm';
    try {
      act();
      return text;
    } finally {
      Object.assign(process.stderr, { isTTY: before.isTTY, columns: before.columns });
      if (before.TERM === undefined) delete process.env.TERM;
      else process.env.TERM = before.TERM;
      for (const write of writes) write.mockRestore();
    }
  }

  it('is replaced, cut to the width, and gone before anything else is said', () => {
    const text = written(true, () => {
      status('1/3');
      status('2/3 and more than twenty columns');
      say('done');
    });
    expect(text).toBe('1/3\r\u001b[K2/3 and more than t\r\u001b[Kdone\n');
  });

  it('is gone before a result is printed', () => {
    const text = written(true, () => {
      status('1/3');
      print('cat');
    });
    expect(text).toBe('1/3\r\u001b[Kcat\n');
  });

  it('is whole where the terminal does not know its width', () => {
    expect(written(true, () => status('1/3'), 0)).toBe('1/3');
    written(true, () => say(''));
  });

  it('is nothing where no terminal watches', () => {
    const text = written(false, () => {
      status('1/3');
      say('done');
    });
    expect(text).toBe('done\n');
  });
});

describe('errors', () => {
  it('that are expected: the message and its code, no stack', () => {
    const error = new PixelwiseError('ERR_FILE', "Cannot read 'x': it does not exist. Check the path.");
    expect(errorText(error)).toBe("Cannot read 'x': it does not exist. Check the path. [ERR_FILE]");
    expect(errorJson(error)).toEqual({ code: 'ERR_FILE', message: error.message });
  });

  it('that are not: the stack, which a report needs', () => {
    expect(errorText(new TypeError('no'))).toMatch(/^TypeError: no\n {4}at /);
    expect(errorJson(new TypeError('no'))).toEqual({ code: 'ERR_INTERNAL', message: 'no' });
    expect(errorText('bare')).toBe('bare');
  });
});
