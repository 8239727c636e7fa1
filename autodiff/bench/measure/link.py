"""The measuring process's end of its connection to the parent, which lets only one process work at any time.

The parent says ``{"prepare": key}``, or how the next measurement is timed; the process answers with a message per
record and then :data:`DONE`. A process whose parent is gone finds the connection closed and ends; since only the
parent writes records, nothing is recorded twice. Messages are JSON: what comes from a process that runs other people's
engines is read, and never unpickled.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from ..records.record import Record

PR_SET_PDEATHSIG = 1  #: of Linux's prctl: the signal that this process gets when its parent dies
DONE = b""  #: ends an answer


class Link:
    """The connection of this process to its parent.

    Args:
        descriptor: of the socket, inherited.
    """

    current: ClassVar[Link | None] = None  #: of this process

    def __init__(self, descriptor: int) -> None:
        if sys.platform == "linux":  # a measurement that hangs must not outlive the parent that would stop it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        self._parent = Connection(descriptor)
        Link.current = self

    def wait(self) -> dict[str, Any] | None:
        """What to do next, once it is this process's turn; None when there is nothing any more."""
        try:
            return dict(json.loads(self._parent.recv_bytes()))
        except (EOFError, ConnectionError):
            return None

    def tell(self, record: Record) -> None:
        """Hand a finished record over."""
        self._say(json.dumps(asdict(record), separators=(",", ":")).encode())

    def done(self) -> None:
        """What was asked for is done."""
        self._say(DONE)

    def _say(self, message: bytes) -> None:
        try:
            self._parent.send_bytes(message)
        except ConnectionError:  # the parent is gone
            os._exit(1)
