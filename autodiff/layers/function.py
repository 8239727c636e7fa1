"""Any function of one's own as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..arrays import as_floats, as_size
from ..errors import InputError
from .base import Layer


class Function(Layer):
    """``y = f(x)`` for any f written in NumPy's functions; a result without axes is one output.

    ``Function(lambda x: x[1:] - x[:-1] ** 2, 5)``

    Args:
        f: called as f(x), f(x, params) or f(x, params, xp), whichever arguments it takes. With ``xp`` written in place
            of ``np`` it can be traced by peers too. It is called once, at zeros, to find m.
        n: inputs.
        params: arrays of floats, handed to f as a tuple.

    Raises:
        InputError: f cannot be called so, fails at zeros, or gives no vector of floats; n is no integer of at least 1;
            a parameter is not finite.
        DTypeError: a parameter that holds no floats.
    """

    def __init__(self, f: Callable[..., Any], n: int, params: Iterable[object] = ()) -> None:
        if not callable(f):
            raise InputError(f"Function takes a function, not {type(f).__name__}")
        if isinstance(params, np.ndarray) or not isinstance(params, Iterable):
            raise InputError(f"Function takes its params as a tuple of arrays, not {type(params).__name__}")
        self.f, self.name = f, str(getattr(f, "__name__", type(f).__name__))
        self.n = as_size(n, f"n of Function({self.name})")
        self.params = tuple(as_floats(array, f"params[{i}]").copy() for i, array in enumerate(params))
        self._leading, self._named = _roles(f, self.name)
        self.m = self._outputs()

    def function(self, x: Any, params: Any, xp: Any = np) -> Any:
        given = {"params": params, "xp": xp}
        named = {name: given[name] for name in self._named}
        y = self.f(x, *(given[role] for role in self._leading), **named)
        return y.reshape(1) if getattr(y, "shape", None) == () else y

    def _outputs(self) -> int:
        place = f"Function({self.name}) at zeros of shape ({self.n},)"
        try:
            with np.errstate(all="ignore"):
                y = self.function(np.zeros(self.n), self.params, np)
        except Exception as error:  # another's function may raise anything
            raise InputError(f"{place} fails: {type(error).__name__}: {error}") from error
        if not isinstance(y, np.ndarray) or y.dtype.kind != "f" or y.ndim != 1 or not y.size:
            came = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
            raise InputError(f"{place} gives {came}; expected a vector of floats (m,)")
        return y.size

    def __repr__(self) -> str:
        return f"Function({self.name}: {self.n} -> {self.m})"


def _roles(f: Callable[..., Any], name: str) -> tuple[list[str], list[str]]:
    """What f is given after x: by position, in order, and by name.

    Arguments called ``params`` and ``xp`` are what they say; others without a default are params, then xp, by position.
    """
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some functions of extension modules have no signature
        return [], []
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    leading: list[str] = []
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in ("params", "xp")]
    for parameter in positional[1:]:
        required, by_name = parameter.default is parameter.empty, parameter.name in ("params", "xp")
        if not required and not by_name:
            continue
        role = parameter.name if by_name else next((r for r in ("params", "xp") if r not in leading), "")
        (leading if required else named).append(role)
    unknown = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name not in named]
    if unknown or "" in leading:
        raise InputError(f"{name} takes arguments besides x, params and xp; wrap it in a function of those")
    if not positional and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise InputError(f"{name} takes no argument by position; Function needs f(x)")
    return leading, named
