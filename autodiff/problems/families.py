"""Problem families by name, with the keywords they take, for sweeps and for the command line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import FLOATS, as_size
from ..errors import AutodiffError, InputError, LimitError, UnknownNameError
from ..loading import is_reference, load
from ..network import Network
from .modules import converted, is_module


@dataclass(frozen=True, slots=True)
class Family:
    """A function from keywords to a network.

    Attributes:
        name: what it is called.
        make: the function.
        tiny: keywords that give a small instance, for checks.
        wrt: what it is usually differentiated with respect to, "input" or "params".
        either: keywords of which it needs all of the first, or all of the second, which exclude each other.
        least: the least that an integer may be, where :data:`FROM_ZERO` says nothing else.
    """

    name: str
    make: Callable[..., Network]
    tiny: Mapping[str, Any] = field(default_factory=dict)
    wrt: str = "input"
    either: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    least: int = 1

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The keywords that it takes, by name, with their annotations where these can be read."""
        try:
            return inspect.signature(self.make, eval_str=True).parameters
        except NameError:
            return inspect.signature(self.make).parameters

    def check(self, **keywords: Any) -> None:
        """Refuse keywords that the family cannot be called with.

        Raises:
            UnknownNameError: a keyword the family does not take. InputError: one it needs is missing.
        """
        known = self.parameters
        for key in keywords:
            self._refuse_unknown(key, known)
        missing = [
            key
            for key, p in known.items()
            if p.default is inspect.Parameter.empty and p.kind not in OPEN and key not in keywords
        ]
        if missing:
            raise InputError(f"problem {self.name} needs {', '.join(missing)}")
        first, second = self.either
        if set(second) & keywords.keys() and (set(first) & keywords.keys() or not set(second) <= keywords.keys()):
            both = ", ".join(key for key in keywords if key in first) or "the others"
            raise InputError(f"problem {self.name} takes {', '.join(second)} instead of {both}; leave one out")
        if first and not set(second) & keywords.keys():
            missing = [key for key in first if key not in keywords and known[key].default is None]
            if missing:
                raise InputError(f"problem {self.name} needs {', '.join(missing)} (or {', '.join(second)})")

    def _refuse_unknown(self, key: str, known: Mapping[str, inspect.Parameter]) -> None:
        if key not in known and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
            if key == "batch":
                called = next((f"; its examples are called {name}" for name in EXAMPLES if name in known), "")
                raise InputError(f"problem {self.name} takes no batch{called}")
            raise UnknownNameError(f"parameter of problem {self.name}", key, known)

    def check_value(self, key: str, value: object, where: str = "") -> None:
        """Refuse a value that is not of the type that the family's keyword is annotated with.

        Integers are sizes, from 1, except where 0 is an index or a seed.

        Raises:
            UnknownNameError: no such keyword. InputError: naming the key, the value and what is expected.
        """
        known = self.parameters
        self._refuse_unknown(key, known)
        if key not in known:
            return
        wanted, least = known[key].annotation, FROM_ZERO.get(key, self.least)
        told = f"{where}{key} is {str(value)[:40]!r}" if isinstance(value, str) else f"{where}{key} is {value!r:.40}"
        if wanted in (int, int | None):
            if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**53:
                raise InputError(f"{told}; expected an integer{f' of at least {least}' if least > -(2**53) else ''}")
        elif wanted is float and (isinstance(value, (bool, str)) or not isinstance(value, Real)):
            raise InputError(f"{told}; expected a number")
        elif wanted is str and not isinstance(value, str):
            raise InputError(f"{told}; expected a word")
        elif wanted == DTypeLike and (value if isinstance(value, str) else _dtype_name(value)) not in PRECISIONS:
            raise InputError(f"{told}; expected {' or '.join(PRECISIONS)}")

    def __call__(self, **keywords: Any) -> Network:
        """The network. Raises what :meth:`check` and :meth:`check_value` raise, and what the family says.

        Raises:
            LimitError: it does not fit into memory.
        """
        self.check(**keywords)
        for key, value in keywords.items():
            if value is not None:
                self.check_value(key, value)
        try:
            made = self.make(**keywords)
        except MemoryError as error:
            raise LimitError(f"problem {self.name} does not fit into memory: {error}") from error
        except (AutodiffError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a function of somebody else may raise anything
            raise InputError(f"problem {self.name} fails with {type(error).__name__}: {error}") from error
        if not isinstance(made, Network):
            made = converted(made, self.name)
        if not isinstance(made, Network):
            raise InputError(f"problem {self.name} gives {type(made).__name__}; expected an autodiff.Network")
        return made

    def small(self) -> Network:
        """A small instance."""
        return self.make(**self.tiny)


#: by their full names alone, so that a case has one name
PRECISIONS = tuple(sorted((dtype.name for dtype in FLOATS), reverse=True))
EXAMPLES = ("samples", "points")  #: what families call theirs that had them before there were batches
FROM_ZERO = {"seed": 0, "first": 0, "image": 0}  #: integers that may be 0; every other one is a size

OPEN = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)

_FAMILIES: dict[str, Family] = {}


def family(
    *, wrt: str = "input", either: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()), **tiny: Any
) -> Callable[[Callable[..., Network]], Callable[..., Network]]:
    """Register a problem family; the keywords are those of a small instance.

    Args:
        wrt: what it is usually differentiated with respect to: "params" of a loss that is trained by.
        either: two sets of keywords, of which it takes one.
        tiny: keywords of a small instance.
    """

    def add(make: Callable[..., Network]) -> Callable[..., Network]:
        _FAMILIES[make.__name__] = Family(make.__name__, make, tiny, wrt, either)
        return make

    return add


def families() -> dict[str, Family]:
    """Every family, by name."""
    return dict(_FAMILIES)


def find_family(name: str) -> Family:
    """The family of that name, or of ``module:name``: a network or a PyTorch module, or a function of keywords that
    makes one.

    Raises:
        UnknownNameError: with the near matches. InputError: what is named cannot be loaded, or is something else.
    """
    if is_reference(name):
        return _loaded(name)
    try:
        return _FAMILIES[name]
    except (KeyError, TypeError):
        raise UnknownNameError("problem", name, _FAMILIES) from None


def _loaded(name: str) -> Family:
    found = load(name)
    if isinstance(found, Network):
        return Family(name, lambda: found)
    if is_module(found):
        return Family(name, functools.cache(lambda: converted(found, name)))
    try:
        inspect.signature(found)
    except (TypeError, ValueError):
        kind = type(found).__name__
        raise InputError(
            f"{name} is {kind}; expected an autodiff.Network or a torch.nn.Module, or a function that makes one"
        ) from None
    return Family(name, found, least=-(2**53))


def _dtype_name(value: object) -> str:
    """Of NumPy's dtypes and their types; empty for what is none."""
    try:
        found: np.dtype[Any] = np.dtype(value)  # type: ignore[call-overload]
        return found.name
    except TypeError:
        return ""


def require_positive(**sizes: Any) -> None:
    """Refuse sizes that are not positive integers.

    Raises:
        InputError: naming the first.
    """
    for name, size in sizes.items():
        as_size(size, name)


def require_memory(nbytes: int) -> None:
    """Refuse what is larger than the memory that is free, before it is allocated.

    Raises:
        LimitError: with both numbers.
    """
    import psutil  # not needed by who asks for small problems

    free = int(psutil.virtual_memory().available)
    if nbytes > free:
        raise LimitError(f"its arrays alone would take {nbytes:,} bytes; {free:,} are free")
