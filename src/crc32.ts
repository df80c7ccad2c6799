/** @file The check sum of ZIP and PNG. */

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** What a byte becomes after none, one, to seven bytes of zero: eight times 256 numbers. */
export const crcTables = new Uint32Array(8 * 256);
for (let i = 0; i < crcTables.length; i++) {
  const before = i < 256 ? undefined : crcTables[i - 256]!;
  crcTables[i] = before === undefined ? table[i]! : table[before & 0xff]! ^ (before >>> 8);
}

/** CRC-32 (ISO 3309) of some bytes. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (table[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
