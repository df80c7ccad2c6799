/** @file One side of a benchmark: a process of its own that answers one JSON line to each JSON line it is sent. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from 'pixelwise';

export type Message = Readonly<Record<string, unknown>>;

/** Where Python with the peer's packages is. */
function python(): string {
  const path = process.env.PIXELWISE_PYTHON;
  if (path) return path;
  throw new PixelwiseError(
    'ERR_USAGE',
    'PIXELWISE_PYTHON is not set. Expected the path of a Python interpreter with torch, numpy and pillow, which runs the ' +
      'other side of the benchmark: PIXELWISE_PYTHON=/path/to/venv/bin/python npm run bench -- NAME.',
  );
}

export class Side {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** This program again, as our side of benchmark `name`. */
  static ours(name: string): Side {
    return new Side('pixelwise', process.execPath, [
      fileURLToPath(new URL('main.js', import.meta.url)),
      name,
      '--side',
    ]);
  }

  /** A script of `bench/peers`. */
  static peer(script: string): Side {
    return new Side('the peer', python(), [fileURLToPath(new URL(`../peers/${script}`, import.meta.url))]);
  }

  async ask<T extends Message>(message: Message): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify(message)}\n`);
    const { value, done } = await this.#lines.next();
    if (!done) return JSON.parse(value) as T;
    throw new PixelwiseError('ERR_ENGINE', `Benchmark: ${this.#name} ended early; its last words are above.`);
  }

  async end(): Promise<void> {
    this.#process.stdin!.end();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await new Promise((resolve) => this.#process.once('exit', resolve));
    }
  }
}

/** Answers lines from stdin until it ends. */
export async function serve(answer: (message: Message) => Promise<Message>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line) as Message)));
  }
}

/** Largest resident memory of this process so far, in bytes, as Linux counts it. */
export function peakMemory(): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
