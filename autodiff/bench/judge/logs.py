"""GradBench's logs as sides of a comparison: what ``gradbench run --output`` wrote, of any tool.

A log is a JSON object a line, ``{"elapsed": ..., "message": ...}`` of the eval and ``{"elapsed": ..., "response":
...}`` of the tool in turn; GradBench's ``trim`` leaves out inputs and outputs, which are not needed here. Source:
GradBench, https://github.com/gradbench/gradbench, CONTRIBUTING.md, section "Protocol".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...text import tame
from .side import LEAST, MOST, Key, Passes, Side, What, few

NAMES = ("module", "function", "description")
VALUE_FUNCTIONS = ("primal", "objective")  #: what evals call f; anything else is a derivative
#: an eval's problem family, and its keywords in the order in which a description has their numbers
FAMILIES: dict[str, tuple[str, ...]] = {
    "llsq": ("llsq", "n", "m"),
    "lse": ("lse", "n"),
    "ode": ("ode", "n", "s"),
    "gmm": ("gmm", "d", "k", "points"),
    "det": ("det", "ell"),
    "lstm": ("diagonal_lstm", "l", "c"),
}


@dataclass
class _Evaluation:
    """One function of an eval at one input, and what came of it."""

    module: str
    function: str
    description: str
    seconds: float | None = None
    fault: str = "the tool did not answer"

    @property
    def name(self) -> str:
        return f"{self.module}::{self.function} {self.description}".strip()

    @property
    def key(self) -> Key:
        """Of every tool the same, so that two logs match."""
        return self.module, self.description, self.function

    @property
    def what(self) -> What | None:
        """The problem of this package that it is, if there is one."""
        problem, *keywords = FAMILIES.get(self.module, ("",))
        numbers = [int(word) for word in re.findall(r"\d+", self.description)]
        if not problem or len(numbers) != len(keywords):
            return None
        kind = "value" if self.function in VALUE_FUNCTIONS else "derivative"
        return problem, frozenset(zip(keywords, numbers, strict=True)), kind


def is_log(path: Path) -> bool:
    """Whether a file is a log, as its first line says."""
    with path.open("rb") as file:
        first = file.readline(1 << 20).lstrip()
    return first.startswith(b"{") and b'"elapsed"' in first


def read_log(path: Path) -> Side:
    """A tool's times: of every evaluation that was valid, the fastest run.

    Raises:
        InputError: a line that is none of a log's, or no evaluation that counts.
    """
    tool, found = "", {}
    for line, said in _lines(path):
        if "message" in said:
            message, asked = said["message"], said["message"]
            identity = message.get("id")
            if message.get("kind") == "evaluate":
                module, function, text = (
                    str(message.get(name) or "") for name in ("module", "function", "description")
                )
                found[identity] = _Evaluation(module, function, text)
            elif message.get("kind") == "analysis" and message.get("of") in found and message.get("valid") is not True:
                one = found[message.get("of")]
                one.seconds, one.fault = None, f"invalid: {tame(str(message.get('error') or 'no reason given'))[:200]}"
            continue
        response = said["response"]
        if isinstance(response.get("tool"), str):
            tool = tame(response["tool"])
        if asked.get("kind") == "evaluate":
            _answered(found[asked.get("id")], response, f"{path}, line {line}")
    broken = [f"{one.name} ({one.fault})" for one in found.values() if one.seconds is None]
    times: dict[Key, Passes] = {one.key: {1: one.seconds} for one in found.values() if one.seconds is not None}
    what = {one.key: one.what for one in found.values() if one.seconds is not None and one.what is not None}
    notes = [f"{path} is a log of GradBench: it does not say on which machine {tool or 'the tool'} ran"]
    if broken:
        left_out = "1 evaluation is" if len(broken) == 1 else f"{len(broken)} evaluations are"
        notes.append(f"{path}: {left_out} left out: {few(broken)}")
    return Side(path, times, {}, notes, what, tool or "a tool without a name")


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line that says something, by its number: a message, or the answer to the one before it."""
    asked = False
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                said = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {number} is no JSON: {error}") from None
            known = [name for name in ("message", "response") if isinstance(said, dict) and name in said]
            if len(known) != 1 or not isinstance(said[known[0]], dict):
                raise InputError(f"{path}, line {number} is neither a message nor a response of a log of GradBench")
            if known == ["response"] and not asked:
                raise InputError(f"{path}, line {number} is a response to no message")
            asked = known == ["message"]
            yield number, said


def _answered(one: _Evaluation, response: Mapping[str, Any], where: str) -> None:
    """Note what a tool took, in the fastest of its runs."""
    if response.get("success") is not True:
        one.fault = f"failed: {tame(str(response.get('error') or 'no reason given'))[:200]}"
        return
    timings = response.get("timings")
    try:
        runs = [1e-9 * each["nanoseconds"] for each in timings or () if each["name"] == "evaluate"]
    except (TypeError, KeyError):
        raise InputError(f"{where}: timings are not a list of names and nanoseconds") from None
    fitting = [seconds for seconds in runs if LEAST <= seconds <= MOST]
    if fitting:
        one.seconds = min(fitting)
    else:
        one.fault = "no time is told"


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
