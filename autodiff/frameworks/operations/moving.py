"""Operations that move elements about: views, pieces, choices by constant positions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .table import axes_of, operation


def broadcast(x: Any, shape: tuple[int, ...], xp: Any) -> Any:
    """x repeated along new and single axes."""
    if tuple(x.shape) == shape:
        return x
    own = getattr(xp, "broadcast_to", None)
    return own(x, shape) if own is not None else x + xp.asarray(np.zeros(shape), dtype=x.dtype)


def along(x: Any, axis: int, cut: Any) -> Any:
    """What stands at ``cut``, an index or a slice, of an axis."""
    return x[(*(slice(None),) * axis, cut)]


def picked(x: Any, positions: Any, shape: tuple[int, ...]) -> Any:
    """The elements at constant positions of x in C order, in a shape of their own."""
    return x.reshape(math.prod(x.shape))[np.ascontiguousarray(positions).reshape(-1)].reshape(shape)


def moved(x: Any, change: Any) -> Any:
    """What a function of NumPy's that only moves elements makes of x, elements by their positions."""
    positions = change(np.arange(math.prod(x.shape)).reshape(x.shape))
    return picked(x, positions, positions.shape)


@operation("clone", "contiguous", "alias", "lift_fresh_copy", "_to_copy", free=True)
def same(xp: Any, x: Any, **_: Any) -> Any:
    """x itself."""
    return x


@operation("view", "reshape", "_unsafe_view", "view_copy", free=True)
def view(xp: Any, x: Any, size: Any = None, shape: Any = None) -> Any:
    """The same elements, in C order, in another shape."""
    return x.reshape(tuple(size if size is not None else shape))


@operation("flatten", free=True)
def flatten(xp: Any, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Some axes as one."""
    rank = len(x.shape)
    first, last = start_dim % rank, end_dim % rank
    return x.reshape(*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


@operation("unflatten", free=True)
def unflatten(xp: Any, x: Any, dim: int, sizes: Any) -> Any:
    """An axis as several."""
    axis = dim % len(x.shape)
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


@operation("unsqueeze", free=True)
def unsqueeze(xp: Any, x: Any, dim: int) -> Any:
    """A new axis of one."""
    axis = dim % (len(x.shape) + 1)
    return x.reshape(*x.shape[:axis], 1, *x.shape[axis:])


@operation("squeeze", free=True)
def squeeze(xp: Any, x: Any, dim: Any = None) -> Any:
    """Without axes of one."""
    gone = axes_of(dim, len(x.shape))
    return x.reshape(tuple(size for i, size in enumerate(x.shape) if size != 1 or i not in gone))


@operation("permute")
def permute(xp: Any, x: Any, dims: Any) -> Any:
    """The axes in another order."""
    return xp.transpose(x, tuple(one % len(x.shape) for one in dims))


@operation("transpose", "swapaxes", "t")
def transpose(xp: Any, x: Any, dim0: int = 0, dim1: int = 1) -> Any:
    """Two axes exchanged."""
    order = list(range(len(x.shape)))
    if len(order) > 1:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return xp.transpose(x, tuple(order))


@operation("expand")
def expand(xp: Any, x: Any, size: Any) -> Any:
    """Repeated along new axes and axes of one; -1 leaves an axis as it is."""
    own = (1,) * (len(size) - len(x.shape)) + tuple(x.shape)
    return broadcast(x.reshape(own), tuple(n if s == -1 else s for n, s in zip(own, size, strict=True)), xp)


@operation("repeat")
def repeat(xp: Any, x: Any, repeats: Any) -> Any:
    """As many copies along every axis."""
    return moved(x, lambda positions: np.tile(positions, repeats))


@operation("select")
def select(xp: Any, x: Any, dim: int, index: int) -> Any:
    """One position of an axis, which is gone."""
    axis = dim % len(x.shape)
    return along(x, axis, index % x.shape[axis])


@operation("slice")
def slice_(xp: Any, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """A range of an axis."""
    return along(x, dim % len(x.shape), slice(*slice(start, end, step).indices(x.shape[dim])))


@operation("narrow")
def narrow(xp: Any, x: Any, dim: int, start: int, length: int) -> Any:
    """So many positions of an axis."""
    return slice_(xp, x, dim, start, start + length)


@operation("split", "split_with_sizes", "chunk")
def split(
    xp: Any, x: Any, split_size: Any = None, dim: int = 0, split_sizes: Any = None, chunks: Any = None
) -> list[Any]:
    """Pieces along an axis: of one size, of given sizes, or so many."""
    axis = dim % len(x.shape)
    size = x.shape[axis]
    each = -(-size // chunks) if chunks else split_size
    sizes = split_sizes or (list(each) if isinstance(each, (list, tuple)) else [each] * -(-size // each))
    cuts = [min(cut, size) for cut in itertools.accumulate(sizes, initial=0)]
    return [along(x, axis, slice(start, stop)) for start, stop in itertools.pairwise(cuts)]


@operation("unbind")
def unbind(xp: Any, x: Any, dim: int = 0) -> list[Any]:
    """Every position of an axis, which is gone."""
    axis = dim % len(x.shape)
    return [along(x, axis, index) for index in range(x.shape[axis])]


@operation("getitem")
def getitem(xp: Any, x: Any, index: int) -> Any:
    """One of several values."""
    return x[index]


@operation("cat", "concat", "concatenate")
def cat(xp: Any, x: Any, dim: int = 0) -> Any:
    """One after the other along an axis."""
    return x[0] if len(x) == 1 else xp.concatenate(x, axis=dim % len(x[0].shape))


@operation("stack")
def stack(xp: Any, x: Any, dim: int = 0) -> Any:
    """One after the other along a new axis."""
    return xp.stack(x, axis=dim % (len(x[0].shape) + 1))


@operation("flip")
def flip(xp: Any, x: Any, dims: Any) -> Any:
    """Backwards along some axes."""
    return moved(x, lambda positions: np.flip(positions, tuple(dims)))


@operation("roll")
def roll(xp: Any, x: Any, shifts: Any, dims: Any = None) -> Any:
    """Turned along some axes."""
    return moved(
        x, lambda positions: np.roll(positions, tuple(shifts) if dims else shifts[0], tuple(dims or ()) or None)
    )


@operation("index_select")
def index_select(xp: Any, x: Any, dim: int, index: Any) -> Any:
    """Constant positions of an axis."""
    return moved(x, lambda positions: np.take(positions, index, dim))


@operation("index")
def index_(xp: Any, x: Any, indices: Any) -> Any:
    """Constant positions of several axes, as NumPy's and PyTorch's indexing has them."""
    key = tuple(slice(None) if one is None else np.asarray(one) for one in indices)
    return moved(x, lambda positions: positions[key])


@operation("embedding")
def embedding(xp: Any, x: Any, indices: Any, padding_idx: int = -1) -> Any:
    """Constant rows of a matrix."""
    return moved(x, lambda positions: positions[np.asarray(indices)])


@operation("constant_pad_nd", "pad")
def constant_pad_nd(xp: Any, x: Any, pad: Any, value: float = 0.0) -> Any:
    """A number on both sides of the last axes, the last axis first; fewer than none cuts off."""
    for back, (before, behind) in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):
        axis = len(x.shape) - back
        x = along(x, axis, slice(max(-before, 0), x.shape[axis] - max(-behind, 0)))
        rims = [
            xp.asarray(np.full((*x.shape[:axis], count, *x.shape[axis + 1 :]), float(value)), dtype=x.dtype)
            if count > 0
            else None
            for count in (before, behind)
        ]
        parts = [one for one in (rims[0], x, rims[1]) if one is not None]
        x = parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=axis)
    return x


@operation("pixel_shuffle")
def pixel_shuffle(xp: Any, x: Any, upscale_factor: int) -> Any:
    """Channels (c r r, h, w) as (c, r h, r w)."""
    r, (*lead, channels, height, width) = upscale_factor, x.shape
    k = len(lead)
    parts = x.reshape(*lead, channels // (r * r), r, r, height, width)
    order = (*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return xp.transpose(parts, order).reshape(*lead, channels // (r * r), r * height, r * width)
