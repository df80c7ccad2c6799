/** @file Protocol buffers without a schema: the fields of a message as they come, for formats of which we need a corner. */

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One field of a message. `bytes` is a view; a varint keeps its 64 bits. */
export type Field =
  | { readonly no: number; readonly wire: WireType.Varint; readonly int: bigint }
  | { readonly no: number; readonly wire: WireType.LengthDelimited; readonly bytes: Uint8Array }
  | { readonly no: number; readonly wire: WireType.Bit32 | WireType.Bit64; readonly bytes: Uint8Array }
  | { readonly no: number; readonly wire: WireType.StartGroup | WireType.EndGroup };

/** The fields of one message, in file order. Throws the library's error where the bytes are no message or are cut off. */
export function* fields(message: Uint8Array): Generator<Field> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [no, wire] = reader.tag();
    if (wire === WireType.Varint) yield { no, wire, int: BigInt(reader.int64()) };
    else if (wire === WireType.LengthDelimited) yield { no, wire, bytes: reader.bytes() };
    else if (wire === WireType.Bit32 || wire === WireType.Bit64) yield { no, wire, bytes: reader.skip(wire) };
    else {
      reader.skip(wire, no);
      yield { no, wire };
    }
  }
}

/** The varints of a packed field. */
export function* varints(packed: Uint8Array): Generator<bigint> {
  const reader = new BinaryReader(packed);
  while (reader.pos < reader.len) yield BigInt(reader.int64());
}

/**
 * The tags (`no:wire`) at the top of a message, up to the end or to the first field that is cut off, whose tag still
 * counts: a truncated file should be known for what it was. Undefined where the bytes are no message.
 */
export function topTags(message: Uint8Array): Set<string> | undefined {
  const tags = new Set<string>();
  const reader = new BinaryReader(message);
  try {
    while (reader.pos < reader.len) {
      const [no, wire] = reader.tag();
      tags.add(`${no}:${wire}`);
      if (wire === WireType.LengthDelimited) {
        const length = reader.uint32();
        if (reader.pos + length > reader.len) return tags;
        reader.pos += length;
      } else reader.skip(wire, no);
    }
  } catch {
    return undefined;
  }
  return tags;
}
