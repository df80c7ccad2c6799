/** @file Label Studio's brush strokes, written for the tests: the stream of bits of `@thi.ng/rle-pack`. */

const wordSize = 8;
/** The four sizes of run lengths that the tool uses. */
const sizes = [3, 4, 8, 16];

/** One alpha value per pixel as the bytes of the stream; red, green and blue repeat an arbitrary color. */
export function brushBytes(alpha: readonly number[]): number[] {
  const values = alpha.flatMap((a) => [200, 100, 50, a]);
  const bits: number[] = [];
  const write = (value: number, count: number): void => {
    for (let bit = count - 1; bit >= 0; bit--) bits.push(Math.floor(value / 2 ** bit) % 2);
  };
  write(values.length, 32);
  write(wordSize - 1, 5);
  for (const size of sizes) write(size - 1, 4);
  for (let i = 0; i < values.length; ) {
    // Runs of different values, up to eight, and now and then of one.
    const isRepeated = values[i] === values[i + 1];
    const length = isRepeated ? 2 : Math.min(8, values.length - i);
    const size = length - 1 < 8 ? 0 : 1;
    write(isRepeated ? 1 : 0, 1);
    write(size, 2);
    write(length - 1, sizes[size] as number);
    for (const value of isRepeated ? [values[i] as number] : values.slice(i, i + length)) write(value, wordSize);
    i += length;
  }
  while (bits.length % 8 > 0) bits.push(0);
  return Array.from({ length: bits.length / 8 }, (_, i) => Number.parseInt(bits.slice(i * 8, i * 8 + 8).join(''), 2));
}
