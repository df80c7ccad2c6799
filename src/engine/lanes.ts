/** @file Which of several equal workers does the next job. */

interface Waiting {
  /** Lanes below this number will do. */
  readonly below: number;
  readonly begin: (lane: number) => void;
}

export class Lanes {
  readonly #free: Set<number>;
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    this.#free = new Set(Array.from({ length: count }, (_, i) => i));
  }

  /** Does a job in the first lane below the number `below` that is free, in the order of asking. */
  async use<T>(below: number, work: (lane: number) => Promise<T>): Promise<T> {
    const lane = await this.#take(below);
    try {
      return await work(lane);
    } finally {
      this.#give(lane);
    }
  }

  #take(below: number): number | Promise<number> {
    const lane = [...this.#free].filter((l) => l < below).sort((a, b) => a - b)[0];
    if (lane === undefined) return new Promise((begin) => this.#waiting.push({ below, begin }));
    this.#free.delete(lane);
    return lane;
  }

  #give(lane: number): void {
    const next = this.#waiting.findIndex((w) => lane < w.below);
    if (next < 0) this.#free.add(lane);
    else this.#waiting.splice(next, 1)[0]!.begin(lane);
  }
}
