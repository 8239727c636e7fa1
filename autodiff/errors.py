"""The errors a caller can make, and how they are worded.

Every message names the place (layer, argument, key), what was expected, what came, and the fix.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutodiffError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(AutodiffError, ValueError):
    """An argument has the wrong shape, size or value."""


class LimitError(InputError):
    """A limit that nothing can keep; the message says what the least would be."""


class DTypeError(AutodiffError, TypeError):
    """An argument has a type that derivatives are not defined for."""


class UnknownNameError(AutodiffError, LookupError):
    """A name that is not registered; the message lists the near matches."""

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {what} {str(name)!r}; {hint}")


class WrongResultError(AutodiffError):
    """An engine gave a result that cannot be one, of the wrong shape or type."""


class UnsupportedError(AutodiffError, NotImplementedError):
    """An engine cannot do what it was asked for; the message says why."""
