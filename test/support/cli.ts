/** @file Runs the compiled command line as its users do: a process of its own, with pipes instead of a terminal. */

import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/program.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Writes what the process used to its file descriptor 3 when it ends; threads have exits of their own. */
const meter = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  import { isMainThread } from 'node:worker_threads';
  if (isMainThread) process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    writeSync(3, JSON.stringify({ peakBytes: 1024 * maxRSS, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 }));
  });
`)}`;

/** A process that hangs must not outlive the tests. */
const longest = 280_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Largest memory it ever held, and the time it computed: unlike the clock, this is the same on a busy machine. */
  readonly peakBytes: number;
  readonly cpuSeconds: number;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Presses Ctrl-C as soon as this is true of what has been printed. */
  readonly interruptWhen?: (printed: { stdout: string; stderr: string }) => boolean;
  /** Closes the reading end of stdout after the first output, as `head -1` does. */
  readonly closeStdout?: true;
}

/** Runs `pixelwise` with `args` until it ends. */
export function pixelwise(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { FORCE_COLOR: _, NODE_OPTIONS: __, ...inherited } = process.env;
  const child = spawn(process.execPath, ['--import', meter, main, ...args], {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...inherited, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    timeout: longest,
    killSignal: 'SIGKILL',
  });
  const printed = { stdout: '', stderr: '', usage: '' };
  let interrupted = false;
  const listen = (name: keyof typeof printed, index: 1 | 2 | 3) => {
    const stream = child.stdio[index] as NodeJS.ReadableStream;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      printed[name] += text;
      if (name === 'stdout' && options.closeStdout) child.stdout?.destroy();
      if (interrupted || !options.interruptWhen?.(printed)) return;
      interrupted = true;
      child.kill('SIGINT');
    });
  };
  listen('stdout', 1);
  listen('stderr', 2);
  listen('usage', 3);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const { stdout, stderr, usage } = printed;
      const used = usage === '' ? { peakBytes: Number.NaN, cpuSeconds: Number.NaN } : JSON.parse(usage);
      resolve({ code, stdout, stderr, ...used });
    });
  });
}

/** Runs a command line in this process: for all that ends before an engine starts, and many times faster. */
export async function pixelwiseHere(args: readonly string[]): Promise<Pick<Ran, 'code' | 'stdout' | 'stderr'>> {
  const printed = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += text;
      return true;
    }),
  );
  try {
    return { code: await runCommandLine(args), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The objects of JSON lines. A line that is no JSON fails here. */
export function jsonLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** The lines that say something. */
export const linesOf = (text: string): string[] => text.split('\n').filter(Boolean);

/** A folder that is gone after the tests of the file; call outside of tests and hooks. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pixelwise-e2e-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** All files below `folder`, hidden ones too, sorted. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(folder.length + 1))
    .sort();
}
