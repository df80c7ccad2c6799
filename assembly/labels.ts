/** @file Labels of an enlarged score map, for src/engine/enlarged-labels.ts, which says what they are. */

/** The class with the highest score of each cell, the first of equals; `best` holds the scores of the first class, and then the highest. */
export function highest(scores: usize, classes: u32, cells: u32, best: usize, out: usize): void {
  memory.copy(best, scores, <usize>cells << 2);
  memory.fill(out, 0, <usize>cells);
  for (let c: u32 = 1; c < classes; c++) {
    scores += <usize>cells << 2;
    for (let i: u32 = 0; i < cells; i++) {
      const at = <usize>i << 2;
      const score = load<f32>(scores + at);
      if (score > load<f32>(best + at)) {
        store<f32>(best + at, score);
        store<u8>(out + <usize>i, <u8>c);
      }
    }
  }
}

/**
 * @param nearest the class of each cell
 * @param rows for each row of labels where the row of cells before it begins, and `downs` the weight of the one after
 * @param columns for each column of labels the cell before it, and `acrosses` the weight of the one after
 * @param right cells to the next one in a row, and `below` in a column: 0 where there is none
 */
export function enlarge(
  scores: usize,
  classes: u32,
  cells: u32,
  nearest: usize,
  rows: usize,
  downs: usize,
  height: u32,
  columns: usize,
  acrosses: usize,
  width: u32,
  right: u32,
  below: u32,
  out: usize,
): void {
  for (let y: u32 = 0; y < height; y++) {
    const row = load<u32>(rows + (<usize>y << 2));
    const down = load<f64>(downs + (<usize>y << 3));
    for (let x: u32 = 0; x < width; x++, out++) {
      const at = row + load<u32>(columns + (<usize>x << 2));
      const label = load<u8>(nearest + <usize>at);
      if (
        label == load<u8>(nearest + <usize>(at + right)) &&
        label == load<u8>(nearest + <usize>(at + below)) &&
        label == load<u8>(nearest + <usize>(at + below + right))
      ) {
        store<u8>(out, label);
        continue;
      }
      const across = load<f64>(acrosses + (<usize>x << 3));
      let found: u32 = 0;
      let most = -Infinity;
      let p = scores + (<usize>at << 2);
      for (let c: u32 = 0; c < classes; c++) {
        const upper = <f64>load<f32>(p);
        const lower = <f64>load<f32>(p + (<usize>below << 2));
        const above = upper + across * (<f64>load<f32>(p + (<usize>right << 2)) - upper);
        const under = lower + across * (<f64>load<f32>(p + (<usize>(below + right) << 2)) - lower);
        const score = above + down * (under - above);
        if (score > most) {
          most = score;
          found = c;
        }
        p += <usize>cells << 2;
      }
      store<u8>(out, <u8>found);
    }
  }
}
