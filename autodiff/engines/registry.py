"""Engines by name: ours, and those that other packages register under ``autodiff.engines``."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import cast

from ..arrays import read_size
from ..errors import AutodiffError, InputError, UnknownNameError
from ..loading import is_reference, load
from .auto import Auto
from .base import Engine
from .bracketed import ExplicitOptimal
from .checkpointed import ReverseCheckpointed
from .differences import ComplexStep, FiniteDifference
from .explicit import ExplicitForward, ExplicitReverse
from .forward import Forward
from .mixed import Mixed
from .peers import PEERS
from .reverse import Reverse
from .running import compiled

ORDERS = (Forward, Reverse, Mixed, ExplicitForward, ExplicitReverse, ExplicitOptimal, ReverseCheckpointed)
BUILT_IN: tuple[type[Engine], ...] = (
    *ORDERS,
    *(compiled(order) for order in ORDERS),
    Auto,
    FiniteDifference,
    ComplexStep,
    *PEERS,
)
GROUP = "autodiff.engines"


Maker = Callable[..., Engine]


@functools.cache
def _makers() -> dict[str, Callable[[], Maker]]:
    """By name, a function that finds the engine class; another package's is imported only when it is asked for."""
    found: dict[str, Callable[[], Maker]] = {point.name: _loader(point) for point in entry_points(group=GROUP)}
    found.update({engine.name: functools.partial(_given, engine) for engine in BUILT_IN})
    return found


def _given(maker: Maker) -> Maker:
    return maker


def _loader(point: EntryPoint) -> Callable[[], Maker]:
    def load() -> Maker:
        try:
            made = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # another package may do anything, sys.exit() included
            raise AutodiffError(f"engine {point.name} ({point.value}) cannot be loaded: {error}") from error
        if not (isinstance(made, type) and issubclass(made, Engine)):
            raise AutodiffError(f"engine {point.name} ({point.value}) is no subclass of autodiff.Engine")
        return made

    return load


def register(engine: type[Engine]) -> type[Engine]:
    """Add an engine class under its ``name`` for this process, and give it back; usable as a decorator.

    What is measured is measured in processes of their own, which know it as ``module:Class`` and need no registering;
    an engine in a package of its own is known everywhere by an entry point::

        [project.entry-points."autodiff.engines"]
        mine = "mypackage:Mine"

    Raises:
        InputError: no subclass of Engine, or one without a name.
    """
    if not (isinstance(engine, type) and issubclass(engine, Engine) and isinstance(getattr(engine, "name", None), str)):
        raise InputError(f"register takes a subclass of Engine with a name, not {engine!r}")
    _makers()[engine.name] = functools.partial(_given, engine)
    return engine


def engine(name: str | Engine | type[Engine]) -> Engine:
    """The engine of that name, which may carry options: ``forward``, ``forward(chunk=64)``.

    ``module:name`` is a class of engines, an engine, or a function that makes one, from the current folder or any
    installed package. A tag makes a rival: ``forward@b`` is the same engine, measured under that name in a process of
    its own. An engine is given back as it is, of a class one is made.

    Raises:
        UnknownNameError: no such engine or option, with the near matches.
        InputError: options that cannot be read, or that the engine refuses; a class without a name.
        AutodiffError: another package's engine that does not load.
    """
    if isinstance(name, Engine):
        return name
    if isinstance(name, type) and issubclass(name, Engine):
        return _made(name, name.__name__)
    name, at, tag = name.partition("@") if isinstance(name, str) else (name, "", "")
    if at:
        return _tagged(name, tag)
    base, options = split_options(name)
    maker = _maker(base)
    if isinstance(maker, Engine):
        if options:
            raise InputError(f"{base} is an engine already, and takes no options")
        made = copy.copy(maker)
        made.label = name
        return made
    if not options and not is_reference(base):
        return _made(maker, base)
    known = list(_parameters(maker))
    for key in options:
        if key not in known:
            raise UnknownNameError(f"option of engine {base}", key, known or ["none"])
    made = _made(maker, base, options)
    made.label = name
    return made


def _maker(base: str) -> Maker | Engine:
    """What makes the engine of that name, or the engine itself."""
    if is_reference(base):
        found = load(base)
        if not (isinstance(found, Engine) or callable(found)):
            raise InputError(f"{base} is {type(found).__name__}; expected a class of engines, an engine or a function")
        return cast("Maker | Engine", found)
    try:
        find = _makers()[base]
    except (KeyError, TypeError):
        raise UnknownNameError("engine", base, _makers()) from None
    return find()


def _made(maker: Maker, name: str, options: Mapping[str, int | str] = MappingProxyType({})) -> Engine:
    """An engine of its maker, which may be another package's, and raise anything."""
    try:
        made = maker(**options)
    except (AutodiffError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise InputError(f"engine {name} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, Engine):
        raise InputError(f"engine {name} is {type(made).__name__}; expected an autodiff.Engine")
    return made


def _tagged(name: str, tag: str) -> Engine:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,30}", tag):
        raise InputError(f"engine {name}@{tag[:40]}: a tag is made of letters, digits, - and _")
    made = engine(name)
    made.label = f"{name}@{tag}"
    made.family = f"{made.family}@{tag}"
    return made


def _parameters(maker: Maker) -> Iterable[str]:
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):  # something without a signature, which takes no options
        return ()


def why_not(found: Engine) -> str:
    """Empty if the engine can run here, else the reason, also where asking it fails."""
    try:
        return found.available()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"engine {found.label} cannot say whether it can run: {type(error).__name__}: {error}"


def split_options(name: str) -> tuple[str, dict[str, int | str]]:
    """``forward(chunk=64, seeds=dense)`` as a name and its options; byte sizes may be written ``64MiB``.

    Raises:
        InputError: something else stands between the parentheses.
    """
    found = re.fullmatch(r"([^()]*)\((.*)\)", name) if isinstance(name, str) else None
    if not found:
        return name, {}
    options: dict[str, int | str] = {}
    for part in filter(None, (part.strip() for part in found[2].split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"engine {name!r}: expected key=value between the parentheses, not {part!r}")
        key, value = key.strip(), value.strip().strip("\"'")
        options[key] = value if re.fullmatch(r"[A-Za-z][\w-]*", value) else read_size(value, f"engine {name!r}: {key}")
    return found[1].strip(), options


def split_names(text: str) -> list[str]:
    """Engine names separated by commas, options and all."""
    return [name.strip() for name in re.split(r",(?![^()]*\))", text) if name.strip()]


def engines() -> dict[str, str]:
    """Every registered name, with "" if the engine can run here and else the reason."""
    found = {}
    for name in _makers():
        try:
            found[name] = why_not(engine(name))
        except AutodiffError as error:
            found[name] = str(error)
    return found
