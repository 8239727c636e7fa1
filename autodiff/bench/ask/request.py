"""What a run is asked to do, from the command line's options or from the file that an earlier run has left."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ...engines import engine as find_engine
from ...engines.registry import split_names, why_not
from ...errors import AutodiffError, InputError, UnsupportedError
from ...machine.host import usable_cores
from .files import load_all
from .names import AGAIN
from .pythons import ask, family_of, read_pythons
from .sweep import Effort, Sweep

MAX_SECONDS = 30.0  #: predicted for one call, beyond which it is not measured unless a run asks for it
PASSES = {"quick": 1, "default": 3, "full": 5}
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

Device = Literal["cpu", "gpu"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Request(BaseModel):
    """What a run is asked to do; written into its folder before anything is measured.

    Attributes:
        sweeps: what is measured.
        engines: instead of the sweeps' own, if any.
        effort: "quick", "default" or "full".
        passes: how often everything is measured.
        threads: of BLAS, and of every peer, where a series does not have its own.
        again: every engine twice, in processes of their own.
        device: "cpu" or "gpu", for the peers that know both.
        timeout: seconds after which a measurement is stopped; None for each sweep's own.
        max_seconds: one call that is predicted to take longer is skipped.
        budget: seconds that the whole run should fit into; None for as long as it takes.
        pythons: interpreters that measure the engines of a family, by the family's name.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    sweeps: Annotated[list[Sweep], Field(min_length=1)]
    engines: list[str]
    effort: Effort
    passes: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    again: bool = False
    device: Device = "cpu"
    timeout: Seconds | None = None
    max_seconds: Seconds = MAX_SECONDS
    budget: Seconds | None = None
    pythons: dict[str, str] = {}

    @field_validator("sweeps")
    @classmethod
    def _settle(cls, sweeps: list[Sweep]) -> list[Sweep]:
        """What a run is asked for does not change with the processors that a process of it may use."""
        return [sweep.settled() for sweep in sweeps]

    @property
    def cores(self) -> int:
        """Processors that its measurements need: those of the one with the most threads."""
        return max(
            self.threads, *(count for sweep in self.sweeps for series in sweep.series for count in series.counts)
        )

    @classmethod
    def read(cls, data: object, source: str) -> Self:
        """From what :meth:`model_dump` gave; engines and problems need not exist here, see :meth:`check`.

        Raises:
            InputError: it is no such thing; the message names the source and the key.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except AutodiffError as error:
            raise InputError(f"{source}: {error}") from None

    def check(self) -> None:
        """Find every problem and engine, before anything is measured.

        Raises:
            AutodiffError: what is not there, or takes other keywords.
        """
        for sweep in self.sweeps:
            sweep.check()
        for name in self.engines:
            find_engine(name)
        self.check_threads()
        for family, path in self.pythons.items():
            ask(family, path)

    def check_threads(self) -> None:
        """Refuse threads, of the run or of a sweep, that this process cannot be given.

        Raises:
            InputError: saying what it can.
        """
        check_threads(self.threads)
        for sweep in self.sweeps:
            for count in (count for series in sweep.series for count in series.counts if count):
                check_threads(count, f"sweep {sweep.name}: threads")


def request_from(given: Mapping[str, Any]) -> Request:
    """The request of a new run.

    Args:
        given: the command line's options by name, None (or empty, or False) for those left out.

    Raises:
        InputError: whatever is wrong, in a sentence; UnsupportedError: an engine that was asked for cannot run here.
    """
    if given["quick"] and given["full"]:
        raise InputError("--quick and --full exclude each other")
    effort: Effort = "quick" if given["quick"] else "full" if given["full"] else "default"
    pythons = read_pythons(given["peer_python"] or [])
    names = _engine_names(given["engines"], pythons)
    threads = given["threads"] or 1
    check_threads(threads)
    made = Request(
        sweeps=load_all(given["sweep"] or []),
        engines=names,
        effort=effort,
        passes=given["passes"] or PASSES[effort],
        threads=threads,
        again=given["self_check"],
        device=given["device"] or "cpu",
        timeout=_positive("--timeout", given["timeout"]),
        max_seconds=_positive("--max-seconds", given["max_seconds"]) or MAX_SECONDS,
        budget=None if given["budget"] is None else read_duration(given["budget"], "--budget"),
        pythons=pythons,
    )
    made.check_threads()
    return made


def _engine_names(text: str, pythons: Mapping[str, str]) -> list[str]:
    names = split_names(text)
    if text and not names:
        raise InputError("--engines names no engine")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--engines lists {name} twice")
        if name.endswith(AGAIN):
            raise InputError(f"--engines: names that end in {AGAIN} are --self-check's own; take another tag")
        found = find_engine(name)
        reason = "" if family_of(found) in pythons else why_not(found)
        if reason:
            raise UnsupportedError(reason)
    return names


def check_threads(threads: int, what: str = "--threads") -> None:
    """Refuse thread counts that this process cannot be given.

    Raises:
        InputError: saying what it can.
    """
    if not 1 <= threads <= len(usable_cores()):
        raise InputError(f"{what} is {threads}; this process may use 1 to {len(usable_cores())} processors")


def _positive(what: str, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise InputError(f"{what} is {value:g}; expected seconds above 0")
    return value


def read_duration(text: str, what: str) -> float:
    """Seconds from ``90``, ``90s``, ``10m`` or ``1.5h``.

    Raises:
        InputError: something else, or nothing above 0.
    """
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)\s*", text)
    if not found or found[2] not in UNITS or not float(found[1]):
        raise InputError(f"{what} is {text[:40]!r}; expected a time such as 90s, 10m or 1.5h")
    return float(found[1]) * UNITS[found[2]]


def refuse_disagreement(given: Mapping[str, Any], request: Request, source: object) -> None:
    """Options that are given again, for a run that goes on, have to agree with what it was asked for.

    Raises:
        InputError: naming the option.
    """
    asked = {name: value for name, value in given.items() if value}
    again = dict.fromkeys(given) | {"quick": False, "full": False, "self_check": False, "engines": ""} | asked
    wanted = request_from(again)
    same = {
        "sweep": wanted.sweeps == request.sweeps,
        "quick": request.effort == "quick",
        "full": request.effort == "full",
        "engines": wanted.engines == request.engines,
        "self_check": request.again,
        "peer_python": wanted.pythons == request.pythons,
    }
    for name in asked:
        if not same.get(name, getattr(wanted, name, None) == getattr(request, name, None)):
            option = name.replace("_", "-")
            raise InputError(f"--{option} does not agree with {source}; leave it out, or start a new run")
