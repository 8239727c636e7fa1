"""Engines by name: ours, and those that other packages register under ``autodiff.engines``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from ..errors import AutodiffError, UnknownNameError
from .auto import Auto
from .base import Engine
from .differences import ComplexStep, FiniteDifference
from .explicit import ExplicitForward, ExplicitReverse
from .forward import Forward
from .reverse import Reverse

BUILT_IN: tuple[type[Engine], ...] = (
    Forward,
    Reverse,
    Auto,
    ExplicitForward,
    ExplicitReverse,
    FiniteDifference,
    ComplexStep,
)
GROUP = "autodiff.engines"


@functools.cache
def _factories() -> dict[str, Callable[[], Engine]]:
    found: dict[str, Callable[[], Engine]] = {point.name: _loader(point) for point in entry_points(group=GROUP)}
    found.update({engine.name: engine for engine in BUILT_IN})
    return found


def _loader(point: EntryPoint) -> Callable[[], Engine]:
    def load() -> Engine:
        try:
            made = point.load()()
        except Exception as error:
            raise AutodiffError(f"engine {point.name} ({point.value}) cannot be loaded: {error}") from error
        if not isinstance(made, Engine):
            raise AutodiffError(f"engine {point.name} ({point.value}) is no autodiff.engines.Engine")
        return made

    return load


def register(engine: type[Engine]) -> type[Engine]:
    """Add an engine class for this process; usable as a decorator. A packaged engine uses an entry point instead."""
    _factories()[engine.name] = engine
    return engine


def engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        UnknownNameError: with the near matches.
        AutodiffError: another package's engine that does not load.
    """
    try:
        factory = _factories()[name]
    except (KeyError, TypeError):
        raise UnknownNameError("engine", name, _factories()) from None
    return factory()


def engines() -> dict[str, str]:
    """Every registered name, with "" if the engine can run here and else the reason."""
    found = {}
    for name in _factories():
        try:
            found[name] = engine(name).available()
        except AutodiffError as error:
            found[name] = str(error)
    return found
