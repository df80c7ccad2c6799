/** @file Huffman codes as deflate has them (RFC 1951, section 3.2.2): lengths from counts, and the codes that follow from lengths. */

/** Depths of the leaves of a Huffman tree whose weights go up; at least two. */
function depthsOf(leaves: readonly number[]): Uint8Array {
  const count = leaves.length;
  const weights = [...leaves];
  const parents = new Uint16Array(2 * count - 1);
  let [leaf, inner] = [0, count];
  const lightest = (): number =>
    inner >= weights.length || (leaf < count && weights[leaf]! <= weights[inner]!) ? leaf++ : inner++;
  for (let node = count; node < parents.length; node++) {
    const [a, b] = [lightest(), lightest()];
    parents[a] = node;
    parents[b] = node;
    weights.push(weights[a]! + weights[b]!);
  }
  const depths = new Uint8Array(parents.length);
  for (let i = depths.length - 2; i >= 0; i--) depths[i] = depths[parents[i]!]! + 1;
  return depths.subarray(0, count);
}

/**
 * Bits of the code of each symbol, 0 for those that do not occur. At least two must.
 *
 * @param most bits that a code may have
 */
export function codeLengths(counts: Uint32Array, most: number): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const used = counts.reduce((n, count) => n + Math.sign(count), 0);
  // Numbers are sorted ten times as fast as what has to be compared: a count, and then its symbol.
  const order = Float64Array.from(counts, (count, symbol) => (count === 0 ? 0 : count * 2 ** 16 + symbol)).sort();
  const symbols = order.subarray(order.length - used).map((key) => key % 2 ** 16);
  let weights = [...symbols].map((s) => counts[s]!);
  let depths = depthsOf(weights);
  // The rarest are the deepest: weights that are closer to each other make the tree flatter.
  while (depths[0]! > most) {
    weights = weights.map((weight) => Math.ceil(weight / 2));
    depths = depthsOf(weights);
  }
  symbols.forEach((symbol, i) => {
    lengths[symbol] = depths[i]!;
  });
  return lengths;
}

/** Codes of these lengths: the first bit of each in the lowest, and from bit 16 on how many there are. */
export function codesOf(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  const longest = Math.max(...lengths);
  for (let length = 1, code = 0; length <= longest; length++, code <<= 1) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      let turned = 0;
      for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit);
      codes[symbol] = turned | (length << 16);
      code++;
    }
  }
  return codes;
}
