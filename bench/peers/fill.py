"""Numbers that both sides of a benchmark make for themselves, bit for bit alike (see ../fill.ts)."""

import numpy as np


def scramble(index, seed):
    h = index.astype(np.uint32) ^ np.uint32((seed * 0x9E3779B1) & 0xFFFFFFFF)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h


def fill_into(flat, bound, seed):
    """Fills a flat float32 array in pieces, so that the peak of memory is not this function's."""
    piece = 1 << 18
    for start in range(0, flat.size, piece):
        h = scramble(np.arange(start, min(start + piece, flat.size)), seed)
        flat[start : start + piece] = (h / 2.0**32 - 0.5) * 2 * bound


def squares(size, classes, seed):
    cells = np.arange(size) // 32
    across = -(-size // 32)
    h = scramble(cells[:, None] * across + cells[None, :], seed)
    return np.where(h % 8 == 0, 255, (h >> np.uint32(8)) % classes).astype(np.uint8)
