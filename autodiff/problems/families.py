"""Problem families by name, with the keywords they take, for sweeps and for the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..arrays import as_size
from ..errors import InputError, UnknownNameError
from ..network import Network


@dataclass(frozen=True, slots=True)
class Family:
    """A function from keywords to a network.

    Attributes:
        make: the function.
        tiny: keywords that give a small instance, for checks.
        wrt: what it is usually differentiated with respect to, "input" or "params".
    """

    make: Callable[..., Network]
    tiny: Mapping[str, Any] = field(default_factory=dict)
    wrt: str = "input"

    def check(self, **keywords: Any) -> None:
        """Refuse keywords that the family cannot be called with.

        Raises:
            UnknownNameError: a keyword the family does not take. InputError: one it needs is missing.
        """
        known = inspect.signature(self.make).parameters
        for key in keywords:
            if key not in known:
                raise UnknownNameError(f"parameter of problem {self.make.__name__}", key, known)
        missing = [key for key, p in known.items() if p.default is inspect.Parameter.empty and key not in keywords]
        if missing:
            raise InputError(f"problem {self.make.__name__} needs {', '.join(missing)}")

    def check_value(self, key: str, value: object) -> None:
        """Refuse a value that is not of the type that the family's keyword is annotated with.

        Integers are sizes, from 1, except where 0 is an index or a seed.

        Raises:
            UnknownNameError: no such keyword. InputError: naming the key, the value and what is expected.
        """
        known = inspect.signature(self.make, eval_str=True).parameters
        if key not in known:
            raise UnknownNameError(f"parameter of problem {self.make.__name__}", key, known)
        wanted, least = known[key].annotation, FROM_ZERO.get(key, 1)
        if wanted in (int, int | None):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**53:
                raise InputError(f"grid.{key} holds {value!r}; expected an integer of at least {least}")
        elif wanted is float and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
            raise InputError(f"grid.{key} holds {value!r}; expected a number")
        elif wanted is str and not isinstance(value, str):
            raise InputError(f"grid.{key} holds {value!r}; expected a word")

    def __call__(self, **keywords: Any) -> Network:
        """The network. Raises what :meth:`check` raises, and what the family says of wrong values."""
        self.check(**keywords)
        return self.make(**keywords)

    def small(self) -> Network:
        """A small instance."""
        return self.make(**self.tiny)


FROM_ZERO = {"seed": 0, "first": 0, "image": 0}  #: integers that may be 0; every other one is a size

_FAMILIES: dict[str, Family] = {}


def family(*, wrt: str = "input", **tiny: Any) -> Callable[[Callable[..., Network]], Callable[..., Network]]:
    """Register a problem family; the keywords are those of a small instance.

    Args:
        wrt: what it is usually differentiated with respect to: "params" of a loss that is trained by.
        tiny: keywords of a small instance.
    """

    def add(make: Callable[..., Network]) -> Callable[..., Network]:
        _FAMILIES[make.__name__] = Family(make, tiny, wrt)
        return make

    return add


def families() -> dict[str, Family]:
    """Every family, by name."""
    return dict(_FAMILIES)


def find_family(name: str) -> Family:
    """The family of that name.

    Raises:
        UnknownNameError: with the near matches.
    """
    try:
        return _FAMILIES[name]
    except (KeyError, TypeError):
        raise UnknownNameError("problem", name, _FAMILIES) from None


def require_positive(**sizes: Any) -> None:
    """Refuse sizes that are not positive integers.

    Raises:
        InputError: naming the first.
    """
    for name, size in sizes.items():
        as_size(size, name)
