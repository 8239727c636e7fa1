"""From what a user asked for to a request and its folder; nothing is written before it is known to be right."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engines import engine as find_engine
from ..engines.registry import split_names
from ..errors import InputError, UnsupportedError
from .folder import MAX_SECONDS, Folder, Request, create, open_run
from .plan import AGAIN
from .sweep import Effort, load_all
from .worker import check_threads

PASSES = {"quick": 1, "default": 3, "full": 5}
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def ask(given: Mapping[str, Any], out: Path | None, resume: Path | None) -> tuple[Folder, Request]:
    """The request and its folder: a new one, or with ``resume`` that of an earlier run.

    Args:
        given: the command line's options by name, None (or empty, or False) for those left out.
        out: the folder of a new run; None for ``results/<time>-<host>``.
        resume: the folder of a run to go on with. Options given again must agree with what it was asked for.

    Raises:
        InputError: whatever is wrong, in a sentence; UnsupportedError: an engine that was asked for cannot run here.
    """
    if resume is not None:
        folder, request = open_run(resume)
        _refuse_disagreement(given, request, resume)
        check_threads(request.threads)
        return folder, request
    request = _request(given)
    return create(out), request


def _request(given: Mapping[str, Any]) -> Request:
    if given["quick"] and given["full"]:
        raise InputError("--quick and --full exclude each other")
    effort: Effort = "quick" if given["quick"] else "full" if given["full"] else "default"
    names = _engine_names(given["engines"])
    threads = given["threads"] or 1
    check_threads(threads)
    return Request(
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
    )


def _engine_names(text: str) -> list[str]:
    names = split_names(text)
    if text and not names:
        raise InputError("--engines names no engine")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--engines lists {name} twice")
        if name.endswith(AGAIN):
            raise InputError(f"--engines: names that end in {AGAIN} are --self-check's own; take another tag")
        reason = find_engine(name).available()
        if reason:
            raise UnsupportedError(reason)
    return names


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


def _refuse_disagreement(given: Mapping[str, Any], request: Request, path: Path) -> None:
    asked = {name: value for name, value in given.items() if value}
    again = dict.fromkeys(given) | {"quick": False, "full": False, "self_check": False, "engines": ""} | asked
    wanted = _request(again)
    same = {
        "sweep": [sweep.model_dump() for sweep in wanted.sweeps] == [sweep.model_dump() for sweep in request.sweeps],
        "quick": request.effort == "quick",
        "full": request.effort == "full",
        "engines": wanted.engines == request.engines,
        "self_check": request.again,
    }
    for name in asked:
        if not same.get(name, getattr(wanted, name, None) == getattr(request, name, None)):
            option = name.replace("_", "-")
            raise InputError(f"--{option} does not agree with {path}/run.json; leave it out, or start a new run")
