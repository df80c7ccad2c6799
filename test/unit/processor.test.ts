import { expect, it } from 'vitest';
import { instructionsIn, processorName } from '../../src/engine/processor.js';

it('processors of one name are told apart by their instructions', () => {
  const x86 = (flags: string) =>
    `processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: ${flags}\nbugs\t\t: none\n\nprocessor\t: 1\n`;
  expect(instructionsIn(x86('fpu sse avx2'))).toBe('fpu sse avx2');
  expect(instructionsIn(x86('fpu sse avx2 avx512f'))).not.toBe(instructionsIn(x86('fpu sse avx2')));
  expect(instructionsIn('processor : 0\nFeatures : fp asimd\n')).toBe('fp asimd');
  expect(instructionsIn('')).toBe('');
  expect(processorName()).toContain(process.arch);
});
