/** @file Which processor this is, by the instructions that it has: virtual machines give many of them one name. */

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The line of instructions in Linux's /proc/cpuinfo: `flags` on x86, `Features` on ARM. */
export const instructionsIn = (cpuinfo: string): string => /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';

/** Elsewhere than on Linux, family and model stand for the instructions. */
function instructions(): string {
  try {
    return instructionsIn(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return process.env.PROCESSOR_IDENTIFIER ?? '';
  }
}

/** Equal for processors on which ONNX Runtime chooses the same kernels. */
export const processorName = (): string => `${process.platform} ${process.arch} ${cpus()[0]?.model} ${instructions()}`;
