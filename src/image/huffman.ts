/** @file Huffman codes as deflate has them (RFC 1951, section 3.2.2): lengths from counts, and the codes that follow from lengths. */

/** Depths of the leaves of a Huffman tree whose weights go up; at least two. */
function depthsOf(leaves: Float64Array): Uint8Array {
  const count = leaves.length;
  const weights = new Float64Array(2 * count - 1);
  const parents = new Uint16Array(weights.length);
  weights.set(leaves);
  let [leaf, inner] = [0, count];
  for (let node = count; node < weights.length; node++) {
    for (let child = 0; child < 2; child++) {
      const lightest = inner === node || (leaf < count && weights[leaf]! <= weights[inner]!) ? leaf++ : inner++;
      parents[lightest] = node;
      weights[node] = weights[node]! + weights[lightest]!;
    }
  }
  const depths = new Uint8Array(weights.length);
  for (let i = depths.length - 2; i >= 0; i--) depths[i] = depths[parents[i]!]! + 1;
  return depths.subarray(0, count);
}

/** Symbols that may be told apart beside their counts. */
const mostSymbols = 2 ** 16;

/**
 * Bits of the code of each symbol, 0 for those that do not occur. At least two must.
 *
 * @param most bits that a code may have
 */
export function codeLengths(counts: Uint32Array, most: number): Uint8Array {
  // Plain numbers are sorted much faster than what has to be compared: a count, and then its symbol.
  const order = new Float64Array(counts.length);
  let used = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    if (counts[symbol]! > 0) order[used++] = counts[symbol]! * mostSymbols + symbol;
  }
  const keys = order.subarray(0, used).sort();
  let weights = keys.map((key) => Math.floor(key / mostSymbols));
  let depths = depthsOf(weights);
  // The rarest are the deepest: weights that are closer to each other make the tree flatter.
  while (depths[0]! > most) {
    weights = weights.map((weight) => Math.ceil(weight / 2));
    depths = depthsOf(weights);
  }
  const lengths = new Uint8Array(counts.length);
  for (let i = 0; i < used; i++) lengths[keys[i]! % mostSymbols] = depths[i]!;
  return lengths;
}

/** Codes of these lengths: the first bit of each in the lowest, and from bit 16 on how many there are. */
export function codesOf(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  // Codes of one length follow each other, and then those of the next, one bit longer.
  const next = new Uint32Array(32);
  for (const length of lengths) if (length > 0) next[length + 1] = next[length + 1]! + 1;
  for (let length = 1; length < next.length; length++) next[length] = (next[length]! + next[length - 1]!) << 1;
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    const code = next[length]!;
    next[length] = code + 1;
    let turned = 0;
    for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit);
    codes[symbol] = turned | (length << 16);
  }
  return codes;
}
