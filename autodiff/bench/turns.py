"""Measuring in turn: one process per family of engines, and only one of them at work at any time.

The parent writes a line to let a process prepare a measurement, ``{"prepare": key}``, or time its next one, with how to
do that; the process answers with a line per record and then an empty one. A process whose parent is gone finds its
line closed and ends; since only the parent writes records, nothing is recorded twice.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any, ClassVar

from .records import Record

PR_SET_PDEATHSIG = 1  #: of Linux's prctl: the signal that this process gets when its parent dies


class Turns:
    """The measuring process's end of the two pipes."""

    current: ClassVar[Turns | None] = None  #: of this process

    def __init__(self, inward: int, outward: int) -> None:
        self._in = os.fdopen(inward, "r", encoding="utf-8")
        self._out = os.fdopen(outward, "w", encoding="utf-8")

    @classmethod
    def of(cls, descriptors: str) -> Turns:
        """From the two file descriptors, ``"3,4"``."""
        inward, outward = map(int, descriptors.split(","))
        if sys.platform == "linux":  # a measurement that hangs must not outlive the parent that would stop it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        cls.current = cls(inward, outward)
        return cls.current

    def wait(self) -> dict[str, Any] | None:
        """What to do next, once it is this process's turn; None when there is nothing any more."""
        line = self._in.readline()
        return dict(json.loads(line)) if line else None

    def tell(self, record: Record) -> None:
        """Hand a finished record over."""
        self._say(json.dumps(asdict(record), separators=(",", ":")))

    def done(self) -> None:
        """The turn is over."""
        self._say("")

    def _say(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except BrokenPipeError:  # the parent is gone
            os._exit(1)
