/** @file Which of several equal workers does the next job. */

interface Waiting {
  /** Whether a lane will do. */
  readonly suits: (lane: number) => boolean;
  readonly begin: (lane: number) => void;
}

export class Lanes {
  readonly #free: Set<number>;
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    this.#free = new Set(Array.from({ length: count }, (_, i) => i));
  }

  /** Does a job in the first free lane that suits it, in the order of asking. */
  async use<T>(suits: (lane: number) => boolean, work: (lane: number) => Promise<T>): Promise<T> {
    const lane = await this.#take(suits);
    try {
      return await work(lane);
    } finally {
      this.#give(lane);
    }
  }

  #take(suits: (lane: number) => boolean): number | Promise<number> {
    const lane = [...this.#free].filter(suits).sort((a, b) => a - b)[0];
    if (lane === undefined) return new Promise((begin) => this.#waiting.push({ suits, begin }));
    this.#free.delete(lane);
    return lane;
  }

  #give(lane: number): void {
    const next = this.#waiting.findIndex((w) => w.suits(lane));
    if (next < 0) this.#free.add(lane);
    else this.#waiting.splice(next, 1)[0]!.begin(lane);
  }
}
