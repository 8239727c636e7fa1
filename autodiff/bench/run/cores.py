"""Processor cores for a run: the last ones that no other run on this machine holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...machine.host import usable_cores

LOCKS = Path(tempfile.gettempdir()) / "autodiff-cores"  #: a file per core, locked by the run that measures on it


@contextmanager
def reserved(threads: int, tell: Callable[[str], None]) -> Iterator[list[int]]:
    """As many cores, held while the context lasts; of a run that died they are free at once.

    Args:
        threads: how many.
        tell: is given a sentence where other runs are at work, which disturb this one.
    """
    cores = usable_cores()
    with ExitStack() as held:
        free: list[int] = []
        taken: list[int] = []
        for core in reversed(cores):
            if len(free) < threads:
                (free if _lock(core, held) else taken).append(core)
        if not taken:
            yield sorted(free)
        elif len(free) == threads:
            tell(f"another run measures on {_named(taken)}; this one takes {_named(free)}, memory they share")
            yield sorted(free)
        else:
            tell(f"other runs measure on {_named(taken)}, and too few others are free: both will be disturbed")
            yield sorted([*free, *taken[: threads - len(free)]])


def _lock(core: int, held: ExitStack) -> bool:
    """Whether nobody else has the core; where locks cannot be had, nobody is known to."""
    try:
        _make(LOCKS)
        lock = FileLock(_file(LOCKS, core), mode=0o666)
        held.enter_context(lock.acquire(timeout=0))
    except Timeout:
        return False
    except OSError:
        return True
    return True


def _make(folder: Path) -> None:
    """A folder in which every user of the machine can lock every core, and nobody else can plant a link."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    for core in range(os.cpu_count() or 1):
        file = _file(folder, core)
        file.touch()
        file.chmod(0o666)
    folder.chmod(0o755)  # whatever the umask of the first user


def _file(folder: Path, core: int) -> Path:
    return folder / f"core-{core}.lock"


def _named(cores: Sequence[int]) -> str:
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, sorted(cores)))}"


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Processes started inside run on these cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
