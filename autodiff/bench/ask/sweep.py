"""Sweeps: what to measure, and the cases that it comes to.

A sweep is one or more series; a series is a problem, an operation, the engines and a grid, and every combination of
the grid's lists is a case.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, model_validator

from ...engines import OPERATIONS
from ...engines import engine as find_engine
from ...errors import InputError, UnknownNameError
from ...machine.host import usable_cores
from ...network import Network
from ...problems import find_family
from ...text import tame

Scalar = StrictInt | StrictFloat | StrictStr
Grid = dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1)]]
Plot = Literal[
    "curves", "map", "ratio", "bars", "gain", "tradeoff", "checkpoints", "peers", "seeds", "constants", "landscape"
]
Threads = Annotated[StrictInt, Field(ge=1)] | Literal["all"]
Effort = Literal["quick", "default", "full"]
TAKEN = ("results", "passes", "rules", "roofline")  #: names of a run's own tables; a sweep's is named after it
SEEDED = ("jvp", "vjp")
NAMED = ("problem", "operation", "wrt")  #: what the series of a sweep may differ in, beside the grid
EFFORTS: tuple[Effort, ...] = ("quick", "default", "full")

SEEDS, THREADS = "seeds", "threads"  #: what cases differ in besides the problem's keywords
SHORT = {"depth": "d", "width": "w", SEEDS: "k", "layer": "", "elements": "e"}  #: how keys are written in a case's name


class Series(BaseModel):
    """One problem over a grid.

    ``seeds`` are the tangents of a jvp, the cotangents of a vjp; a list of them is an axis, as the grid's lists are.
    ``points`` are tables of keywords that change together; every one of them is combined with the whole grid, every
    second one at quick effort. ``quick`` and ``full`` replace entries of the grid at that effort. ``threads`` are
    numbers of threads, "all" for every processor that may be used: each case is measured with each of them, in
    processes of their own. Left out, a case has the run's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: str
    operation: str = "jacobian"
    wrt: Literal["input", "params"] = "input"
    seeds: StrictInt | Annotated[list[StrictInt], Field(min_length=1)] = 1
    engines: Annotated[list[str], Field(min_length=1)]
    threads: list[Threads] = []
    grid: Grid = {}
    points: list[Annotated[dict[str, Scalar], Field(min_length=1)]] = []
    quick: Grid = {}
    full: Grid = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        """What can be seen without the problem and the engines, which a report may lack."""
        if self.operation not in OPERATIONS:
            raise UnknownNameError("operation", self.operation, OPERATIONS)
        if len(set(self.engines)) < len(self.engines):
            raise InputError(f"engines lists a name twice: {', '.join(self.engines)}")
        if len(set(self.threads)) < len(self.threads):
            raise InputError("threads lists a number twice")
        for point in self.points:
            if point.keys() != self.points[0].keys():
                raise InputError(f"points: {point} and {self.points[0]} do not have the same keys")
            for key in point:
                if key in self.grid:
                    raise InputError(f"points: {key} is in the grid already")
        if any(self.points.count(point) > 1 for point in self.points):
            raise InputError("points lists a table twice")
        for table in (self.grid, self.quick, self.full):
            for key, value in table.items():
                if isinstance(value, list) and len(set(value)) < len(value):
                    raise InputError(f"grid.{key} lists a value twice")
        for name, table in (("quick", self.quick), ("full", self.full)):
            for key in table:
                if key not in self.lists:
                    raise UnknownNameError(f"key in [{name}] (it may only replace keys of [grid])", key, self.lists)
        self._check_seeds()
        return self

    def _check_seeds(self) -> None:
        if SEEDS in self.grid:
            raise InputError("grid.seeds: seeds are the operation's and not the problem's; write them above [grid]")
        for given in (self.seeds, *(table[SEEDS] for table in (self.quick, self.full) if SEEDS in table)):
            own = given if isinstance(given, list) else [given]
            if any(isinstance(one, str) or one < 1 or one != int(one) for one in own) or len(set(own)) < len(own):
                raise InputError(f"seeds is {given}; expected an integer of at least 1, or several different ones")
        if isinstance(self.seeds, list) and self.operation not in SEEDED:
            raise InputError(f"a list of seeds needs the operation jvp or vjp, a {self.operation} takes none")

    @property
    def lists(self) -> Grid:
        """The grid, and behind it a list of seeds."""
        return {**self.grid, SEEDS: [*self.seeds]} if isinstance(self.seeds, list) else self.grid

    def check(self) -> None:
        """Find the engines and the problem, and try the keywords on it.

        Raises:
            AutodiffError: what is not there, or a keyword that the problem does not take.
        """
        for name in self.engines:
            find_engine(name)
        family = find_family(self.problem)
        together = self.points[0] if self.points else {}
        family.check(**{key: _values(value)[0] for key, value in self.grid.items()}, **together)
        for table in (self.grid, self.quick, self.full):
            for key, value in table.items():
                for one in _values(value) if key != SEEDS else ():
                    family.check_value(key, one, "grid.")
        for point in self.points:
            for key, one in point.items():
                family.check_value(key, one, "grid.")

    def combinations(self, effort: Effort) -> Iterator[dict[str, Scalar]]:
        """Every combination of the points and the grid's lists, the last key changing fastest."""
        grid = self.lists | {"quick": self.quick, "default": {}, "full": self.full}[effort]
        lists = [_values(value) for value in grid.values()]
        for point in self.points_at(effort) or [{}]:
            for values in itertools.product(*lists):
                yield point | dict(zip(grid, values, strict=True))

    def points_at(self, effort: Effort) -> list[dict[str, Scalar]]:
        """The points that are measured: all of them, every second one at quick effort."""
        return self.points[:: 2 if effort == "quick" else 1]

    @property
    def counts(self) -> list[int]:
        """The numbers of threads here, each once; 0 alone where the run's is meant."""
        return list(dict.fromkeys(len(usable_cores()) if one == "all" else one for one in self.threads)) or [0]

    def varies(self, key: str) -> bool:
        """A key of the grid, or the threads, takes more than one value."""
        return key in self.axes or (key == THREADS and len(self.threads) > 1)

    @property
    def axes(self) -> list[str]:
        """The grid's keys that take more than one value."""
        return [key for key, value in self.lists.items() if isinstance(value, list) and len(value) > 1]

    @property
    def numeric(self) -> bool:
        """Every axis is over numbers above 0, so that it can be drawn on a logarithmic scale."""
        values = [value for key in self.axes for value in self.lists[key]]  # type: ignore[union-attr]
        return all(not isinstance(value, str) and value > 0 for value in values)


def _values(value: Scalar | list[Scalar]) -> list[Scalar]:
    return value if isinstance(value, list) else [value]


class Sweep(BaseModel):
    """A named set of series, and how to draw it.

    ``plot`` is "curves" (one list in the grid), "map" (two), "ratio" (the first two engines, measured beside
    predicted), "gain" (the last engine against the best of the others), "tradeoff" (time against peak bytes),
    "checkpoints" (one case; time, counted evaluations and peak bytes against the engines' checkpoints), "peers" (every
    engine against the fastest of its mode), "seeds" (time per seed against a list of them), "constants" (layer by layer
    and size by size, what a derivative costs over f, counted and timed), "landscape" (n over m against forward over
    reverse, a mark a case) or "bars" (no list); left out, it follows from the number of lists.
    ``memory`` adds a panel of peak bytes to curves. ``labels`` name axes and engines in it. ``across`` is a key of
    every grid, such as ``dtype``, or "threads": each case is then compared with the one that has the key's first value
    and is otherwise the same, and that is what is drawn.
    ``timeout`` are the seconds after which one of its measurements is stopped. A shipped sweep that is ``on_request``
    only runs when it is named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=60)]
    title: str = ""
    plot: Plot | None = None
    memory: bool = False
    labels: dict[str, str] = {}
    across: str = ""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    on_request: bool = False
    series: Annotated[list[Series], Field(min_length=1)]

    @property
    def heading(self) -> str:
        """Its title, else its name."""
        return tame(self.title) or self.name

    @property
    def axes(self) -> list[str]:
        """The axes of the first series: none, one or two."""
        return self.series[0].axes

    @property
    def kind(self) -> str:
        """How it is drawn: as its file says, else by what it compares, else by the number of its axes."""
        if self.plot or self.across:
            return self.plot or "across"
        drawable = len(self.series) == 1 and self.series[0].numeric
        if self.axes == [SEEDS]:
            return SEEDS
        return {1: "curves", 2: "map"}.get(len(self.axes), "bars") if drawable else "bars"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name.lower() in TAKEN:
            raise InputError(f"a sweep named {self.name!r} would write over the run's own {self.name}.csv; rename it")
        if self.plot == SEEDS and any(series.axes != [SEEDS] for series in self.series):
            raise InputError("plot 'seeds' needs a list of seeds in every series, and no other; let points differ")
        if self.plot == "constants" and any(series.axes != ["layer", "elements"] for series in self.series):
            raise InputError("plot 'constants' needs lists of layer and elements in every series, and no other")
        if self.plot == "checkpoints" and any(len(self.cases(effort)) > 1 for effort in EFFORTS):
            raise InputError("plot 'checkpoints' needs one case: its engines differ, in their checkpoints")
        free = (None, "bars", "peers", "checkpoints", SEEDS, "constants", "landscape")
        needed = None if self.plot in free else 2 if self.plot == "map" else 1
        if needed is not None and (len(self.axes) != needed or len(self.series) > 1 or not self.series[0].numeric):
            lists = "two lists" if needed == 2 else "one list"
            raise InputError(f"plot {self.plot!r} needs one series, and a grid with {lists} of numbers above 0")
        if self.across and not all(series.varies(self.across) for series in self.series):
            told = "expected a key with a list of values in the grid of every series, or threads"
            raise InputError(f"across is {self.across!r}; {told}")
        return self

    def settled(self) -> Self:
        """The same with numbers of threads for "all", as many as there are here."""
        if not any("all" in series.threads for series in self.series):
            return self
        counted = [
            series.model_copy(update={"threads": series.counts}) if series.threads else series for series in self.series
        ]
        return self.model_copy(update={"series": counted})

    def check(self) -> None:
        """Find the problems and engines of every series, and keep the names of cases apart at every effort.

        Raises:
            AutodiffError: what is not there. InputError: two cases of one name.
        """
        for series in self.series:
            series.check()
        for effort in EFFORTS:
            counts = Counter(case.name for case in self.cases(effort))
            name, count = counts.most_common(1)[0]
            if count > 1:
                where = f"sweep {self.name!r} has {count} cases {name} at {effort} effort"
                raise InputError(f"{where}; let the series differ in a grid key")

    def left_out(self, effort: Effort) -> str:
        """Which points an effort leaves out, in a sentence; empty for none."""
        listed = sum(len(series.points) for series in self.series)
        kept = sum(len(series.points_at(effort)) for series in self.series)
        return f"sweep {self.name}: {kept} of its {listed} points, at {effort} effort" if kept < listed else ""

    def cases(self, effort: Effort = "default") -> list[Case]:
        """Every case, in order."""
        differ = [key for key in NAMED if len({getattr(one, key) for one in self.series}) > 1]
        by = tuple(differ[:1] if differ[:1] == ["problem"] else differ)
        return [
            Case(self.name, index, series, tuple(point.items()), by, threads)
            for index, series in enumerate(self.series)
            for point in series.combinations(effort)
            for threads in series.counts
        ]


@dataclass(frozen=True)
class Case:
    """One network and one operation, with so many threads; the engines of its series are compared on it.

    Attributes:
        sweep: its name.
        index: of the series.
        series: the series.
        items: a value for every key of the series' lists, points and grid.
        named: by what of its series the case's name begins, since the sweep's series differ in it.
        threads: 0 where the run's number is meant.
    """

    sweep: str
    index: int
    series: Series
    items: tuple[tuple[str, Scalar], ...]
    named: tuple[str, ...]
    threads: int = 0

    @property
    def keys(self) -> dict[str, Scalar]:
        """Everything that tells it from the other cases of its series but threads."""
        return dict(self.items)

    @property
    def keywords(self) -> dict[str, Scalar]:
        """What the problem family is called with."""
        return {key: value for key, value in self.items if key != SEEDS}

    @property
    def seeds(self) -> int:
        """Tangents of a jvp, cotangents of a vjp."""
        given = self.keys.get(SEEDS, self.series.seeds)
        assert isinstance(given, int)
        return given

    @property
    def name(self) -> str:
        """A readable name, unique within the sweep: ``n1024-m1-d4-w64``, with ``-t2`` for two threads."""
        parts = [str(getattr(self.series, key)) for key in self.named or (() if self.items else NAMED[:1])]
        parts += [f"{SHORT.get(key, key)}{value}" for key, value in self.items]
        parts += [f"t{self.threads}"] if self.threads else []
        if self.index and not self.named:
            parts.append(f"s{self.index}")
        return "-".join(parts)

    def value(self, key: str) -> Scalar:
        """What a key is in this case."""
        return self.threads if key == THREADS else self.keys[key]

    def without(self, key: str) -> Case:
        """The same with a key left open."""
        if key == THREADS:
            return replace(self, threads=0)
        return replace(self, items=tuple(item for item in self.items if item[0] != key))

    def network(self) -> Network:
        """Build it. Raises what the problem family raises."""
        return find_family(self.series.problem)(**self.keywords)
