/** @file Fewer points on an outline, none of them moved. */

/** x to the right, y downward, in pixels; whole numbers are the corners of pixels. */
export type Point = readonly [x: number, y: number];

/** Distance of p from the line through a and b; from a where they are one. */
function distance([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = Math.hypot(dx, dy);
  return length === 0 ? Math.hypot(px - ax, py - ay) : Math.abs(dx * (ay - py) - (ax - px) * dy) / length;
}

/** Marks the points of `ring[from..to]` that must stay: those farther than `tolerance` from what is drawn without them. */
function mark(ring: readonly Point[], from: number, to: number, tolerance: number, kept: Uint8Array): void {
  // A stack instead of recursion: a coast of a hundred thousand points would be too deep.
  const open: [number, number][] = [[from, to]];
  for (let span = open.pop(); span; span = open.pop()) {
    const [a, b] = span;
    let [farthest, most] = [-1, tolerance];
    for (let i = a + 1; i < b; i++) {
      const d = distance(ring[i]!, ring[a]!, ring[b]!);
      if (d > most) [farthest, most] = [i, d];
    }
    if (farthest < 0) continue;
    kept[farthest] = 1;
    open.push([a, farthest], [farthest, b]);
  }
}

/**
 * Douglas and Peucker's simplification (1973) of a closed ring, whose last point is its first again.
 *
 * @param tolerance the largest distance, in pixels, of a point that is left out from the simplified outline
 * @returns the ring closed again, or undefined where nothing of an area is left
 */
export function simplifyRing(ring: readonly Point[], tolerance: number): Point[] | undefined {
  if (tolerance <= 0) return [...ring];
  const last = ring.length - 1;
  // A ring has no ends: its first point and the one farthest from it serve as such.
  let [opposite, most] = [0, 0];
  for (let i = 1; i < last; i++) {
    const d = Math.hypot(ring[i]![0] - ring[0]![0], ring[i]![1] - ring[0]![1]);
    if (d > most) [opposite, most] = [i, d];
  }
  const kept = new Uint8Array(ring.length);
  kept[0] = kept[opposite] = kept[last] = 1;
  mark(ring, 0, opposite, tolerance, kept);
  mark(ring, opposite, last, tolerance, kept);
  const left = ring.filter((_, i) => kept[i]);
  return left.length < 4 ? undefined : left;
}
