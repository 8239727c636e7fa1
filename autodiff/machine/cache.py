"""The caches of this machine: what blocks of tangents should fit, and what memory is beyond."""

from __future__ import annotations

import functools
from pathlib import Path

USUAL = (1 << 15, 1 << 20, 1 << 25)  #: bytes of the first, second and last level, where the system does not tell
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")


@functools.cache
def cache_bytes() -> tuple[int, int, int]:
    """Of one core's first-level data cache, its second level, and the last level, as Linux tells them.

    Usual ones where the system does not tell; where there is no third level, the last is the second.
    """
    return read_caches(FOLDER)


def read_caches(folder: Path) -> tuple[int, int, int]:
    """The same from a folder like Linux's ``/sys/devices/system/cpu/cpu0/cache``."""
    found: dict[int, int] = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, text = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                found[int(level)] = int(text[:-1]) * UNITS[text[-1]]
        except (OSError, ValueError, KeyError, IndexError):
            continue
    first, second = found.get(1, USUAL[0]), found.get(2, USUAL[1])
    last = max(found.values()) if 2 in found else USUAL[2]
    return first, second, last


def l2_bytes() -> int:
    """The second-level cache of one core, in bytes."""
    return cache_bytes()[1]
