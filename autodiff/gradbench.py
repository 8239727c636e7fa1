"""This package as a tool of GradBench: messages in, a JSON object a line, and as many answers out.

An eval asks to ``define`` its module and to ``evaluate`` functions of it; everything else is acknowledged. What comes
before the first evaluation, building the network, tracing it and whatever its engine does to run it, is a timing of
its own, ``prepare``.

Source: GradBench, https://github.com/gradbench/gradbench, CONTRIBUTING.md, section "Protocol".
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

import numpy as np

from .engines import Engine
from .engines import engine as find_engine
from .engines.registry import why_not
from .errors import AutodiffError, InputError, UnknownNameError, UnsupportedError
from .problems.gradbench import EVALS, REFUSED, Task
from .problems.gradbench.fields import entry, integer, number
from .version import __version__

Timings = list[dict[str, Any]]

NAME = "autodiff"


def serve(messages: Iterable[str], answers: TextIO, engine: str = "auto") -> None:
    """Answer every line until there are no more, or nobody reads the answers.

    What is printed meanwhile goes to standard error, so that ``answers`` may be standard output.

    Args:
        messages: JSON objects, one a line.
        answers: where their answers go, one a line, each as soon as it is there.
        engine: that differentiates, and its options.

    Raises:
        UnknownNameError, InputError: no such engine, or options that it refuses.
        UnsupportedError: it cannot run here, with the reason.
    """
    tool = Tool(engine)
    with contextlib.suppress(BrokenPipeError), contextlib.redirect_stdout(sys.stderr):
        for line in messages:
            if line.strip():
                print(tool.answered(line), file=answers, flush=True)


class Tool:
    """What answers messages.

    Attributes:
        engine: that differentiates.
    """

    def __init__(self, engine: str | Engine = "auto") -> None:
        self.engine = find_engine(engine)
        reason = why_not(self.engine)
        if reason:
            raise UnsupportedError(reason)
        self._kinds: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "start": self._start,
            "define": self._define,
            "evaluate": self._evaluate,
            "analysis": lambda message: {},
        }

    def answered(self, line: str) -> str:
        """The answer to a line, as one."""
        made = self.answer(line)
        try:
            return json.dumps(made, allow_nan=False)
        except ValueError:
            failed = _failed(InputError("the result holds NaN or infinity, which JSON has no numbers for"))
            return json.dumps({"id": made.get("id")} | failed)

    def answer(self, line: str) -> dict[str, Any]:
        """The answer to a message: whatever is wrong with it is said in ``error``, under its ``id`` if it has one."""
        found: dict[str, Any] = {}
        try:
            message = _read(line)
            if "id" in message:
                found["id"] = message["id"]
            with np.errstate(all="ignore"):  # what overflows is seen in the result
                return found | self._kind(message)(message)
        except AutodiffError as error:
            return found | _failed(error)
        except Exception as error:  # a bug in here or in an engine ends one evaluation and no session
            return found | _failed(error, f"{type(error).__name__}: ")

    def _kind(self, message: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        if "id" not in message:
            raise InputError("the message has no id")
        kind = message.get("kind")
        if not isinstance(kind, str) or kind not in self._kinds:
            raise UnknownNameError("kind of message", str(kind), self._kinds)
        return self._kinds[kind]

    def _start(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": NAME, "config": {"version": __version__, "engine": self.engine.label}}

    def _define(self, message: Mapping[str, Any]) -> dict[str, Any]:
        _functions(message)
        begin = time.perf_counter_ns()
        self.engine.load()
        return {"success": True, "timings": [_timing("prepare", begin)]}

    def _evaluate(self, message: Mapping[str, Any]) -> dict[str, Any]:
        functions, name = _functions(message), message.get("function")
        if not isinstance(name, str) or name not in functions:
            raise UnknownNameError(f"function of {message['module']}", str(name), functions)
        if "input" not in message:
            raise InputError("the message has no input")
        given = message["input"]
        runs, seconds = _repetitions(given)
        begin = time.perf_counter_ns()
        task = functions[name](given)
        run = self.engine.prepare(task.network, task.wrt, operation=task.operation)
        timings = [_timing("prepare", begin)]
        result = _repeated(lambda: task.evaluate(run), runs, seconds, timings)
        return {"success": True, "output": task.output(result), "timings": timings}


def _repeated(evaluate: Callable[[], Any], runs: int, seconds: float, timings: Timings) -> Any:
    """The result, evaluated so many times, and more until that takes so many seconds."""
    spent = 0
    while True:
        begin = time.perf_counter_ns()
        result = evaluate()
        timings.append(_timing("evaluate", begin))
        spent += timings[-1]["nanoseconds"]
        runs -= 1
        if runs <= 0 and spent >= 1e9 * seconds:
            return result


def _repetitions(given: Any) -> tuple[int, float]:
    """How often, and for how many seconds, an input wants to be evaluated: once, where it does not say."""
    if not isinstance(given, Mapping):
        return 1, 0.0
    runs = integer(given, "min_runs", least=0) if "min_runs" in given else 1
    return runs, number(given, "min_seconds") if "min_seconds" in given else 0.0


def _functions(message: Mapping[str, Any]) -> Mapping[str, Callable[[Any], Task]]:
    """The functions of the module that a message names.

    Raises:
        UnsupportedError: an eval that is not answered, with the reason. UnknownNameError: no such eval.
    """
    module = entry(message, "module")
    if isinstance(module, str) and module in REFUSED:
        raise UnsupportedError(f"{module} {REFUSED[module]}, and {NAME} answers evals of first derivatives")
    if not isinstance(module, str) or module not in EVALS:
        raise UnknownNameError("module", str(module), EVALS)
    return EVALS[module]


def _read(line: str) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"the message is no JSON: {error}") from None
    if not isinstance(message, dict):
        raise InputError(f"the message is {type(message).__name__}; expected an object with id and kind")
    return message


def _failed(error: Exception, kind: str = "") -> dict[str, Any]:
    return {"success": False, "error": f"{kind}{error}"}


def _timing(name: str, begin: int) -> dict[str, Any]:
    return {"name": name, "nanoseconds": time.perf_counter_ns() - begin}
