"""Sweep files: what to measure, in TOML, validated before anything runs.

A sweep is one or more series; a series is a problem, an operation, the engines and a grid, and every combination of
the grid's lists is a case.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, ValidationError, model_validator

from ..engines import OPERATIONS
from ..engines import engine as find_engine
from ..errors import AutodiffError, InputError, UnknownNameError
from ..network import Network
from ..problems import Family, find_family

Scalar = StrictInt | StrictFloat | StrictStr
Grid = dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1)]]
Effort = Literal["quick", "default", "full"]

ALL = "all"  #: names every shipped sweep
SHORT = {"depth": "d", "width": "w"}  #: how keys are written in a case's name


class Series(BaseModel):
    """One problem over a grid.

    ``points`` are tables of keywords that change together; every one of them is combined with the whole grid, every
    second one at quick effort. ``quick`` and ``full`` replace entries of the grid at that effort.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: str
    operation: str = "jacobian"
    wrt: Literal["input", "params"] = "input"
    seeds: Annotated[StrictInt, Field(ge=1)] = 1
    engines: Annotated[list[str], Field(min_length=1)]
    grid: Grid = {}
    points: list[Annotated[dict[str, Scalar], Field(min_length=1)]] = []
    quick: Grid = {}
    full: Grid = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.operation not in OPERATIONS:
            raise UnknownNameError("operation", self.operation, OPERATIONS)
        for name in self.engines:
            find_engine(name)
        if len(set(self.engines)) < len(self.engines):
            raise InputError(f"engines lists a name twice: {', '.join(self.engines)}")
        family = find_family(self.problem)
        self._check_points(family)
        together = self.points[0] if self.points else {}
        family.check(**{key: _first(value) for key, value in self.grid.items()}, **together)
        for table in (self.grid, self.quick, self.full):
            for key, value in table.items():
                _check_values(family, key, value)
        for name, table in (("quick", self.quick), ("full", self.full)):
            for key in table:
                if key not in self.grid:
                    raise UnknownNameError(f"key in [{name}] (it may only replace keys of [grid])", key, self.grid)
        return self

    def _check_points(self, family: Family) -> None:
        for point in self.points:
            if point.keys() != self.points[0].keys():
                raise InputError(f"points: {point} and {self.points[0]} do not have the same keys")
            for key, value in point.items():
                if key in self.grid:
                    raise InputError(f"points: {key} is in the grid already")
                family.check_value(key, value)
        if any(self.points.count(point) > 1 for point in self.points):
            raise InputError("points lists a table twice")

    def combinations(self, effort: Effort) -> Iterator[dict[str, Scalar]]:
        """Every combination of the points and the grid's lists, the last key changing fastest."""
        grid = self.grid | {"quick": self.quick, "default": {}, "full": self.full}[effort]
        lists = [value if isinstance(value, list) else [value] for value in grid.values()]
        for point in self.points[:: 2 if effort == "quick" else 1] or [{}]:
            for values in itertools.product(*lists):
                yield point | dict(zip(grid, values, strict=True))

    @property
    def axes(self) -> list[str]:
        """The grid's keys that take more than one value."""
        return [key for key, value in self.grid.items() if isinstance(value, list) and len(value) > 1]

    @property
    def numeric(self) -> bool:
        """Every axis is over numbers above 0, so that it can be drawn on a logarithmic scale."""
        values = [value for key in self.axes for value in self.grid[key]]  # type: ignore[union-attr]
        return all(not isinstance(value, str) and value > 0 for value in values)


def _first(value: Scalar | list[Scalar]) -> Scalar:
    return value[0] if isinstance(value, list) else value


def _check_values(family: Family, key: str, value: Scalar | list[Scalar]) -> None:
    values = value if isinstance(value, list) else [value]
    for one in values:
        family.check_value(key, one)
    if len(set(values)) < len(values):
        raise InputError(f"grid.{key} lists a value twice")


class Sweep(BaseModel):
    """A named set of series, and how to draw it.

    ``plot`` is "curves" (one list in the grid), "map" (two), "ratio" (the first two engines, measured beside
    predicted), "gain" (the last engine against the best of the others), "tradeoff" (time against peak bytes), "peers"
    (every engine against the fastest of its mode) or "bars" (no list); left out, it follows from the number of lists.
    ``memory`` adds a panel of peak bytes to curves.
    ``timeout`` are the seconds after which one of its measurements is stopped. A shipped sweep that is ``on_request``
    only runs when it is named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=60)]
    title: str = ""
    plot: Literal["curves", "map", "ratio", "bars", "gain", "tradeoff", "peers"] | None = None
    memory: bool = False
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    on_request: bool = False
    series: Annotated[list[Series], Field(min_length=1)]

    @property
    def axes(self) -> list[str]:
        """The axes of the first series: none, one or two."""
        return self.series[0].axes

    @property
    def kind(self) -> str:
        """How it is drawn: as its file says, else by the number of its axes."""
        if self.plot:
            return self.plot
        drawable = len(self.series) == 1 and self.series[0].numeric
        return {1: "curves", 2: "map"}.get(len(self.axes), "bars") if drawable else "bars"

    @model_validator(mode="after")
    def _check(self) -> Self:
        needed = {None: None, "bars": None, "peers": None, "map": 2}.get(self.plot, 1)
        if needed is not None and (len(self.axes) != needed or len(self.series) > 1 or not self.series[0].numeric):
            lists = "two lists" if needed == 2 else "one list"
            raise InputError(f"plot {self.plot!r} needs one series, and a grid with {lists} of numbers above 0")
        return self

    def cases(self, effort: Effort = "default") -> list[Case]:
        """Every case, in order."""
        several = len({series.problem for series in self.series}) > 1
        return [
            Case(self.name, index, series, tuple(point.items()), several)
            for index, series in enumerate(self.series)
            for point in series.combinations(effort)
        ]


@dataclass(frozen=True)
class Case:
    """One network and one operation; the engines of its series are compared on it."""

    sweep: str
    index: int
    series: Series
    items: tuple[tuple[str, Scalar], ...]
    named: bool

    @property
    def keywords(self) -> dict[str, Scalar]:
        """What the problem family is called with."""
        return dict(self.items)

    @property
    def name(self) -> str:
        """A readable name, unique within the sweep: ``n1024-m1-d4-w64``."""
        parts = [self.series.problem] if self.named or not self.items else []
        parts += [f"{SHORT.get(key, key)}{value}" for key, value in self.items]
        if self.index and not self.named:
            parts.append(f"s{self.index}")
        return "-".join(parts)

    def network(self) -> Network:
        """Build it. Raises what the problem family raises."""
        return find_family(self.series.problem)(**self.keywords)


def shipped_folder() -> Path:
    """The folder of the experiments: ``benchmarks/`` in a clone, a copy inside the package when installed."""
    packaged = Path(__file__).parent / "experiments"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "benchmarks"


def shipped() -> dict[str, Path]:
    """The shipped sweep files by name."""
    return {path.stem: path for path in sorted((shipped_folder() / "sweeps").glob("*.toml"))}


def load(name_or_path: str | Path) -> Sweep:
    """The sweep of that name, or in that file.

    Raises:
        UnknownNameError: no such name. InputError: a file that cannot be read or is wrong; the message names the key.
    """
    known = shipped()
    if str(name_or_path) in known:
        path = known[str(name_or_path)]
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml" and not _is_file(path):
            raise UnknownNameError("sweep", str(name_or_path)[:80], known)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no valid TOML: {error}") from error
    return parse(data, str(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def parse(data: dict[str, Any], source: str) -> Sweep:
    """A sweep from the tables of its file; a series inherits every key it leaves out from the top level.

    Raises:
        InputError: naming the source and the key.
    """
    own = {key: value for key, value in data.items() if key in Sweep.model_fields and key != "series"}
    common = {key: value for key, value in data.items() if key not in Sweep.model_fields}
    series = data.get("series", [{}])
    if not isinstance(series, list) or not all(isinstance(one, dict) for one in series):
        raise InputError(f"{source}: series: expected [[series]] tables")
    known = [*Sweep.model_fields, *Series.model_fields]
    for key in [*common, *(key for one in series for key in one)]:
        if key not in known:
            raise InputError(f"{source}: {UnknownNameError('key', key, known)}")
    try:
        return Sweep.model_validate(own | {"series": [common | one for one in series]})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("int", "float", "str"))
        raise InputError(f"{source}: {where or 'sweep'}: {first['msg']}") from None
    except AutodiffError as error:
        raise InputError(f"{source}: {error}") from None


def load_all(names: Sequence[str | Path]) -> list[Sweep]:
    """The sweeps of those names, or every shipped one that does not wait to be asked for; "all" names them all.

    Raises:
        InputError: two sweeps with the same name, or what :func:`load` raises.
    """
    named = [one for name in names for one in (shipped() if str(name) == ALL else [name])]
    sweeps = [load(name) for name in named] or [one for one in map(load, shipped()) if not one.on_request]
    seen: set[str] = set()
    for sweep in sweeps:
        if sweep.name in seen:
            raise InputError(f"two sweeps are named {sweep.name!r}; results are kept by name, rename one")
        seen.add(sweep.name)
        _refuse_equal_names(sweep)
    return sweeps


def _refuse_equal_names(sweep: Sweep) -> None:
    names = [case.name for case in sweep.cases("default")]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"sweep {sweep.name!r} has two cases {name}; let the series differ in a grid key")
