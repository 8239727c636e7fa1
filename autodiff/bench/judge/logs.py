"""GradBench's logs as sides of a comparison: what ``gradbench run --output`` wrote, of any tool.

A log is a JSON object a line, ``{"elapsed": ..., "message": ...}`` of the eval and ``{"elapsed": ..., "response":
...}`` of the tool in turn; GradBench's ``trim`` leaves out inputs and outputs, which are not needed here. Source:
GradBench, https://github.com/gradbench/gradbench, CONTRIBUTING.md, section "Protocol".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...text import tame
from .side import LEAST, MOST, Key, Passes, Side, What
from .workloads import workload

PARTS = 5  #: that the runs of an evaluation are cut into, as a run of this package has passes


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Message(_Part):
    """What an eval said."""

    id: int
    kind: str
    module: str = ""
    function: str = ""
    description: str | None = None
    input: Any = None
    of: int | None = None
    valid: bool = False
    error: str | None = None


class _Timing(_Part):
    name: str
    nanoseconds: Annotated[float, Field(ge=0, le=1e9 * MOST)]


class _Response(_Part):
    """What a tool answered, to a message of any kind."""

    tool: str | None = None
    success: bool = False
    timings: list[_Timing] | None = None
    error: str | None = None


class _Line(_Part):
    message: _Message | None = None
    response: _Response | None = None


@dataclass
class _Evaluation:
    """One function of an eval at one input, and what came of it."""

    module: str
    function: str
    description: str
    seconds: list[float] = field(default_factory=list)
    fault: str = "the tool did not answer"  #: why it does not count, empty where it does

    @property
    def name(self) -> str:
        return tame(f"{self.module}::{self.function} {self.description}".strip())

    @property
    def key(self) -> Key:
        """Of every tool the same, so that two logs match."""
        return self.module, self.description, self.function

    def answered(self, response: _Response) -> None:
        """Note what the tool took, until the eval has judged its answer."""
        runs = [1e-9 * one.nanoseconds for one in response.timings or () if one.name == "evaluate"]
        self.seconds = [seconds for seconds in runs if seconds >= LEAST]
        if not response.success:
            self.fault = f"failed: {_reason(response.error)}"
        else:
            self.fault = "the eval did not judge the answer"

    def judged(self, message: _Message) -> None:
        """Note whether the answer is valid."""
        if not message.valid:
            self.fault = f"invalid: {_reason(message.error)}"
        else:
            self.fault = "" if self.seconds else "no time is told"


def is_log(path: Path) -> bool:
    """Whether a file is a log, as its name or its first line says."""
    with path.open("rb") as file:
        first = file.readline(1 << 20).lstrip()
    return path.suffix == ".jsonl" or (first.startswith(b"{") and b'"elapsed"' in first)


def read_log(path: Path) -> Side:
    """A tool's times, of every evaluation whose answer was valid; what is left out is a note each, with the reason.

    Raises:
        InputError: a line that is none of a log's.
    """
    tool, found = _evaluations(path)
    times: dict[Key, Passes] = {}
    what: dict[Key, What] = {}
    notes = [f"{path} is a log of GradBench: it does not say on which machine {tool or 'the tool'} ran"]
    for one in found:
        fault = one.fault or ("an evaluation before it has the same name" if one.key in times else "")
        if fault:
            notes.append(f"{path}: {one.name} is left out, {fault}")
            continue
        times[one.key] = fastest(one.seconds)
        same = workload(*one.key)
        if same is not None:
            what[one.key] = same
    return Side(path, times, {}, notes, what, tool or "a tool without a name")


def fastest(runs: Sequence[float]) -> Passes:
    """The fastest of each of at most ``PARTS`` parts of the runs, in their order.

    The first run, in which a tool may still compile, only counts where it is the only one. Parts stand in the place of
    passes, which a log does not have: one process made them all.
    """
    kept = runs[1:] or runs
    parts = np.array_split(kept, min(PARTS, len(kept)))
    return {number: float(part.min()) for number, part in enumerate(parts, start=1)}


def aligned(left: Side, right: Side) -> tuple[Side, Side]:
    """Both sides with the same keys where one of them is a log: its tool stands against every engine of the run."""
    if bool(left.tool) == bool(right.tool):
        return left, right
    if right.tool:
        return tuple(reversed(aligned(right, left)))  # type: ignore[return-value]
    known = {what: left.times[key] for key, what in left.what.items()}
    times = {key: known[what] for key, what in right.what.items() if what in known}
    matched = {key for key, what in left.what.items() if what in right.what.values()}
    rest = {key: passes for key, passes in left.times.items() if key not in matched}
    return replace(left, times=times | rest), right


def _evaluations(path: Path) -> tuple[str, list[_Evaluation]]:
    """The tool's name, and every evaluation that was asked for."""
    tool, found, asked = "", {}, None
    for where, line in _lines(path):
        if line.message is not None:
            asked = line.message
            if asked.kind == "evaluate":
                found[asked.id] = _Evaluation(asked.module, asked.function, _described(asked))
            elif asked.kind == "analysis" and asked.of in found:
                found[asked.of].judged(asked)
        elif line.response is not None:
            if asked is None:
                raise InputError(f"{where} is a response to no message")
            tool = tame(line.response.tool) if line.response.tool else tool
            if asked.kind == "evaluate":
                found[asked.id].answered(line.response)
            asked = None
    return tool, list(found.values())


def _described(message: _Message) -> str:
    """What an eval calls an input, else the input itself, as GradBench shows it."""
    if message.description is not None:
        return tame(message.description)
    return "" if message.input is None else tame(json.dumps(message.input), most=60)


def _lines(path: Path) -> Iterator[tuple[str, _Line]]:
    """Every line that says something, and where it stands."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                said = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{where} is no JSON: {error}") from None
            if not isinstance(said, dict) or ("message" in said) == ("response" in said):
                raise InputError(f"{where} is neither a message nor a response of a log of GradBench")
            try:
                yield where, _Line.model_validate(said)
            except ValidationError as error:
                first = error.errors()[0]
                raise InputError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _reason(error: str | None) -> str:
    return tame(error or "no reason given", most=200)
