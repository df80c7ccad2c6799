/**
 * @file Pixels on their way into the network (src/data/normalize.ts), and into PNG files: labels counted, colors mixed in
 * (src/image/overlay.ts), filters (src/image/png-rows.ts).
 */

/**
 * RGB pixels as three planes of numbers.
 *
 * @param tables of 256 numbers for red, green and blue
 */
export function planes(pixels: usize, count: u32, tables: usize, red: usize, green: usize, blue: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    const at = <usize>i << 2;
    store<f32>(red + at, load<f32>(tables + (<usize>load<u8>(pixels) << 2)));
    store<f32>(green + at, load<f32>(tables + (<usize>load<u8>(pixels, 1) << 2), 1024));
    store<f32>(blue + at, load<f32>(tables + (<usize>load<u8>(pixels, 2) << 2), 2048));
    pixels += 3;
  }
}

/** Adds the number of pixels of each label to `counts`, 256 of 32 bits. */
export function count(labels: usize, pixels: u32, counts: usize): void {
  for (let i: u32 = 0; i < pixels; i++) {
    const at = counts + (<usize>load<u8>(labels + <usize>i) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
}

/** What becomes of every value of a channel when a share of a color's value is mixed in: 256 bytes. */
export function blend(color: f64, share: f64, out: usize): void {
  for (let value: u32 = 0; value < 256; value++) {
    store<u8>(out + <usize>value, <u8>Math.round(<f64>value * (1 - share) + color * share));
  }
}

/**
 * Passes RGB rows through the table of their label, in place, and pixels at a border between two labels through another one.
 *
 * @param below rows of labels, one more than those of pixels where there is one below them
 * @param tables by label, where its three tables of 256 bytes lie, or 0 for one that leaves pixels as they are
 */
export function tint(
  pixels: usize,
  labels: usize,
  width: u32,
  rows: u32,
  below: u32,
  tables: usize,
  border: usize,
): void {
  for (let y: u32 = 0; y < rows; y++) {
    for (let x: u32 = 0; x < width; x++) {
      const label = load<u8>(labels);
      const isBorder =
        (x + 1 < width && load<u8>(labels, 1) != label) ||
        (y + 1 < below && load<u8>(labels + <usize>width) != label);
      const table = isBorder ? border : <usize>load<u32>(tables + (<usize>label << 2));
      if (table != 0) {
        store<u8>(pixels, load<u8>(table + <usize>load<u8>(pixels)));
        store<u8>(pixels, load<u8>(table + <usize>load<u8>(pixels, 1), 256), 1);
        store<u8>(pixels, load<u8>(table + <usize>load<u8>(pixels, 2), 512), 2);
      }
      labels++;
      pixels += 3;
    }
  }
}

/** Rows with PNG's filter `Sub`: a byte that says so, then the differences to the pixel on the left. */
export function differences(rows: usize, stride: u32, channels: u32, count: u32, out: usize): void {
  for (let y: u32 = 0; y < count; y++) {
    store<u8>(out++, 1);
    for (let x: u32 = 0; x < channels; x++) store<u8>(out + <usize>x, load<u8>(rows + <usize>x));
    for (let x: u32 = channels; x < stride; x++) {
      const at = rows + <usize>x;
      store<u8>(out + <usize>x, load<u8>(at) - load<u8>(at - <usize>channels));
    }
    rows += <usize>stride;
    out += <usize>stride;
  }
}
