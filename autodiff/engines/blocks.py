"""Seeds of a Jacobian: how many to carry at a time, and the identity as an array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from ..machine.cache import l2_bytes
from ..network import Network
from ..program.value import Value
from ..program.views import View
from .writer import Writer

STRUCTURED, DENSE = "structured", "dense"


def as_seeds(seeds: object) -> str:
    """How an engine seeds a Jacobian: with the identity's structure, or with an array that holds the identity.

    Raises:
        InputError: something else.
    """
    if seeds not in (STRUCTURED, DENSE):
        raise InputError(f"seeds is {seeds!r}; expected {STRUCTURED} or {DENSE}")
    return str(seeds)


def default_chunk(network: Network) -> int:
    """Seeds a block, so that two blocks fill half of the L2 cache.

    But a block always holds eight times the elements of the matrices that it meets, so that no product is bound by
    reading its matrix again. Measured on chains of width 16 to 256: 0.5 to 1.0 of the time of one block as large as
    the Jacobian.
    """
    width = max(max(layer.n, layer.m) for layer in network.layers)
    matrix = max(layer.n * layer.m // (layer.n + layer.m) for layer in network.layers)
    return max(l2_bytes() // (4 * width * network.dtype.itemsize), 8 * matrix, 1)


def in_blocks(w: Writer, count: int, chunk: int, block: Callable[[int, int, int], None]) -> None:
    """``block(start, size, step)`` for all of ``count`` seeds, ``chunk`` at a time; the full ones are a loop."""
    full, rest = divmod(count, chunk)
    with w.b.loop(full):
        block(0, chunk, chunk)
    if rest:
        block(full * chunk, rest, 0)


def dense_identity(w: Writer, n: int, columns: bool, start: int, size: int, step: int) -> Value:
    """Unit vectors ``start`` to ``start + size`` of R^n, as an array's columns (n, size) or rows (size, n).

    In a loop they are ``step`` further on in each turn. They are written in every run, so that no part of a product
    with them is computed before.
    """
    b = w.b
    shape = (n, size) if columns else (size, n)
    seeds = b.new(shape, fresh=True)
    b.write(np.positive, [b.lift(0.0)], seeds)
    along, across = (size, 1) if columns else (1, n)  # to the next variable, to the next seed
    ones = b.look(seeds, View((size,), (along + across,), start * along))
    ones.step = step * along
    b.write(np.positive, [b.lift(1.0)], ones)
    return seeds
