/** @file `pixelwise bench`: every row is measured, and what cannot be measured is said. */

import { describe, expect, it } from 'vitest';
import { jsonLines, pixelwise, pixelwiseHere } from '../support/cli.js';

interface Result {
  readonly device: string;
  readonly threads: number;
  readonly picture: readonly number[];
  readonly seen: readonly number[];
  readonly seconds: Readonly<Record<'cold' | 'files' | 'mask' | 'labels' | 'network', number>>;
  readonly folder: { readonly pictures: number; readonly perSecond: number; readonly ofNetwork: number };
  readonly longestTimerWaitMs: number;
  readonly longestIdleTimerWaitMs: number;
  readonly memoryBytes: number;
  readonly peer: { readonly missing?: string };
}

describe('bench', () => {
  it('measures a picture of a size on some threads', async () => {
    const ran = await pixelwise(['bench', '--size', '64x96', '--runs', '1', '--threads', '1', '--no-peer', '--json']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const [result] = jsonLines<Result>(ran.stdout) as [Result];
    expect(result).toMatchObject({ device: 'cpu', threads: 1, picture: [64, 96], seen: [64, 96] });
    expect(result.peer).toEqual({ missing: 'not asked for' });
    for (const seconds of Object.values(result.seconds)) expect(seconds).toBeGreaterThan(0);
    expect(result.seconds.cold).toBeGreaterThan(result.seconds.network);
    expect(result.folder.pictures).toBe(48);
    expect(result.folder.perSecond).toBeGreaterThan(0);
    expect(result.longestTimerWaitMs).toBeGreaterThan(4);
    expect(result.longestIdleTimerWaitMs).toBeGreaterThan(4);
    expect(result.memoryBytes).toBeGreaterThan(50e6);
  });

  it('says that a Python has no PyTorch, and prints the rest', async () => {
    const words = [
      'bench',
      '--network',
      'fcn-squeezenet',
      '--size',
      '64x64',
      '--runs',
      '1',
      '--python',
      'no-such-python',
    ];
    const ran = await pixelwise(words);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('fcn-squeezenet (random weights) on cpu');
    expect(ran.stdout).toMatch(/around the network, file to mask +-?[\d.]+ %/);
    expect(ran.stderr).toContain('Without PyTorch: no Python with PyTorch was found');
  });

  it.each([
    ['two models', ['--model', 'a', '--network', 'fcn-squeezenet'], '--model and --network'],
    ['a size for pictures that have one', ['photo.jpg', '--size', '64x64'], '--size'],
    ['a network that does not exist', ['--network', 'fcn-squeezenot'], "Did you mean 'fcn-squeezenet'"],
  ])('refuses %s', async (_, words, message) => {
    const { code, stderr } = await pixelwiseHere(['bench', ...words]);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(message);
  });
});
