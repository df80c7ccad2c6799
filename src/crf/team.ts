/**
 * @file The threads that run the kernels on one memory: a leader that says what is next, and helpers that wait for it. The
 * kernels themselves know nothing of threads; waiting is done here, with Atomics on the first page of the memory.
 */

/** One kernel call: its name and arguments (bytes offsets, counts). */
export type Call = readonly [kernel: string, ...args: number[]];

/** The compiled kernels by name. */
export type Kernels = Readonly<Record<string, (...args: number[]) => number>>;

/** Words of the first page. */
const word = { sequence: 0, done: 1, stop: 2 } as const;
/** From the second page on there is one mailbox per helper; results are written over the calls. */
const mailboxes = 65536;
/** The longest list, the norms of twelve kernels of sixteen features, takes some 20 kB. */
const mailboxBytes = 32768;
export const mostThreads = 8;
/** Everything from here on is the problem's. */
export const firstFree = mailboxes + mostThreads * mailboxBytes;

/** Milliseconds that a thread looks before it sleeps: waking up takes longer than most waits last. */
const patience = 2;
/** Looks between two glances at the clock. */
const looks = 500;

/** Looks at word `at` until it is no longer `value`, or for a while. */
function look(words: Int32Array, at: number, value: number): void {
  const end = performance.now() + patience;
  do {
    for (let i = 0; i < looks; i++) if (Atomics.load(words, at) !== value) return;
  } while (performance.now() < end);
}

function views(memory: WebAssembly.Memory, helper: number) {
  return {
    words: new Int32Array(memory.buffer, 0, 16),
    mail: new Float64Array(memory.buffer, mailboxes + (helper - 1) * mailboxBytes, mailboxBytes / 8),
  };
}

const namesOf = (kernels: Kernels): string[] => Object.keys(kernels).sort();

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort: () => undefined } });
  return exports as unknown as Kernels;
}

/** A helper's life: it never returns; ending the thread ends it. `helper` counts from 1. */
export function help(kernels: Kernels, memory: WebAssembly.Memory, helper: number): never {
  const names = namesOf(kernels);
  const { words, mail } = views(memory, helper);
  for (let seen = 0; ; ) {
    look(words, word.sequence, seen);
    while (Atomics.load(words, word.sequence) === seen) Atomics.wait(words, word.sequence, seen);
    seen = Atomics.load(words, word.sequence);
    let at = 1;
    for (let call = 0; call < mail[0]!; call++) {
      const [name, count] = [names[mail[at]!]!, mail[at + 1]!];
      const result = kernels[name]!(...mail.subarray(at + 2, at + 2 + count));
      mail[at] = Number(result ?? 0);
      at += 2 + count;
    }
    Atomics.add(words, word.done, 1);
    Atomics.notify(words, word.done);
  }
}

export class Team {
  readonly threads: number;
  readonly #kernels: Kernels;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #words: Int32Array;
  readonly #mail: readonly Float64Array[];

  /** @param threads the leader and its helpers, which must be running `help` */
  constructor(kernels: Kernels, memory: WebAssembly.Memory, threads: number) {
    this.threads = threads;
    this.#kernels = kernels;
    this.#numbers = new Map(namesOf(kernels).map((name, i) => [name, i]));
    this.#words = views(memory, 1).words;
    this.#mail = Array.from({ length: threads - 1 }, (_, i) => views(memory, i + 1).mail);
  }

  /** Runs one list of calls per thread at the same time; what they returned, list by list. */
  run(lists: readonly (readonly Call[])[]): number[][] {
    const others = this.#mail.slice(0, lists.length - 1);
    others.forEach((mail, i) => {
      const calls = lists[i + 1]!;
      mail[0] = calls.length;
      let at = 1;
      for (const [name, ...args] of calls) {
        mail[at] = this.#numbers.get(name)!;
        mail[at + 1] = args.length;
        mail.set(args, at + 2);
        at += 2 + args.length;
      }
    });
    for (const mail of this.#mail.slice(others.length)) mail[0] = 0;
    const words = this.#words;
    if (this.#mail.length > 0) {
      Atomics.store(words, word.done, 0);
      Atomics.add(words, word.sequence, 1);
      Atomics.notify(words, word.sequence);
    }
    const mine = (lists[0] ?? []).map(([name, ...args]) => Number(this.#kernels[name]!(...args) ?? 0));
    this.#join();
    return [mine, ...others.map((mail, i) => this.#results(mail, lists[i + 1]!))];
  }

  #join(): void {
    const [words, helpers] = [this.#words, this.#mail.length];
    for (let done = Atomics.load(words, word.done); done < helpers; done = Atomics.load(words, word.done)) {
      look(words, word.done, done);
      Atomics.wait(words, word.done, done);
    }
  }

  #results(mail: Float64Array, calls: readonly Call[]): number[] {
    let at = 1;
    return calls.map(([, ...args]) => {
      const result = mail[at]!;
      at += 2 + args.length;
      return result;
    });
  }

  /** Whether the caller has asked to stop since `ready`. */
  get stopped(): boolean {
    return Atomics.load(this.#words, word.stop) !== 0;
  }
}

/** Asks the leader to stop at its next chance, or takes that back. From any thread. */
export function setStop(memory: WebAssembly.Memory, stop: boolean): void {
  Atomics.store(new Int32Array(memory.buffer, 0, 16), word.stop, stop ? 1 : 0);
}
