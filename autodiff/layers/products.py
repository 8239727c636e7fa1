"""Matrix products into given memory, in the shapes that derivatives have."""

from __future__ import annotations

import numpy as np

from ..arrays import Array

# OpenBLAS copies both operands of a product before it multiplies, unless m n k is at most 100^3. For a thin product
# (few tangents, or a low rank) that copy costs as much as the rest, so such products are cut into parts that are
# small enough. Measured for 512 x 512 by 512 x k: 0.54 of the time at k = 8, 0.56 at 16, 0.57 at 32; for
# 512 x 8 by 8 x 512: 0.55.
SMALL = 10**6
THIN = 32
MOST_PARTS = 64


def matrix_product(A: Array, B: Array, out: Array | None) -> Array:
    """``A @ B`` into ``out`` (any strides); a new array if it is None."""
    if out is None or not out.flags.c_contiguous:
        return np.matmul(A, B, out=out)  # type: ignore[no-any-return, unused-ignore]
    (m, n), k = A.shape, B.shape[1]
    if m * n * k > SMALL and min(n, k) <= THIN and A.flags.c_contiguous and (parts := _parts(m, n * k)) > 1:
        np.matmul(A.reshape(parts, m // parts, n), B, out=out.reshape(parts, m // parts, k))
        return out
    return np.dot(A, B, out=out)  # 0.4 microseconds less than matmul; needs out contiguous


def _parts(rows: int, each: int) -> int:
    """Into how many equal parts to cut ``rows`` of ``each`` multiply-adds; 1 if they cannot be cut small enough."""
    parts = 1
    while rows // parts * each > SMALL:
        parts *= 2
        if rows % parts or parts > MOST_PARTS:
            return 1
    return parts


def thin_room(k: int, m: int, n: int) -> int:
    """Elements of scratch memory that :func:`thin_pull` uses for U (k, m) and W (m, n)."""
    parts = _thin_parts(k, m, n)
    return parts * k * n if parts > 1 else 0


def _thin_parts(k: int, m: int, n: int) -> int:
    return _parts(m, n * k) if k <= THIN // 2 and m * n * k > SMALL else 1


def thin_pull(U: Array, W: Array, out: Array, room: Array) -> Array:
    """``U @ W`` for few rows U (k, m), summed over parts of m that are small enough; ``room`` is scratch memory.

    One product where there is no such cut, or not enough room.
    """
    (k, m), n = U.shape, W.shape[1]
    parts = _thin_parts(k, m, n)
    if parts == 1 or room.size < parts * k * n or not W.flags.c_contiguous:
        return matrix_product(U, W, out)
    partial = room[: parts * k * n].reshape(parts, k, n)
    np.matmul(U.reshape(k, parts, m // parts).transpose(1, 0, 2), W.reshape(parts, m // parts, n), out=partial)
    np.add.reduce(partial, axis=0, out=out)
    return out
