"""The table of operations, and how a function comes into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]

OPERATIONS: dict[str, Function] = {}
POINTWISE: set[str] = set()  #: those that are elementwise: of any leading axes
FREE: set[str] = set()  #: those that leave all numbers where they are, in C order


def operation(*names: str, pointwise: bool = False, free: bool = False) -> Callable[[Function], Function]:
    """The function stands for the operations of these names.

    Args:
        names: without ``aten::`` and overload.
        pointwise: it is elementwise.
        free: it leaves all numbers where they are, in C order.
    """

    def add(function: Function) -> Function:
        for name in names:
            OPERATIONS[name] = function
        if pointwise:
            POINTWISE.update(names)
        if free:
            FREE.update(names)
        return function

    return add


def real(x: Any, xp: Any) -> Any:
    """x as comparisons see it; a number is itself."""
    return xp.real(x) if hasattr(x, "shape") else x


def axes_of(dim: Any, rank: int) -> tuple[int, ...]:
    """One axis, some, or all for None and for none named, counted from the front."""
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return tuple(range(rank))
    return tuple(sorted(int(one) % rank for one in (dim if isinstance(dim, (list, tuple)) else [dim])))
