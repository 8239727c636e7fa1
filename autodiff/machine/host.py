"""The machine as the measurements see it, and what is wrong with it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import psutil

from .blas import blas_info, kernel_warning
from .rates import in_use

PEERS = (
    *("jax", "jaxlib", "torch", "autograd", "casadi", "pytensor"),
    *("tensorflow", "tensorflow-cpu", "mlx", "mlx-cpu", "enzyme-ad"),
)
OPTIONAL = ("numba", *PEERS)
PACKAGES = ("numpy", "pytest", "pytest-benchmark", "pandas", "matplotlib", "scikit-learn", "scipy", *OPTIONAL)
BUSY = 0.15  #: share of all processors that others use, from which on a machine is called busy
LOOK = 0.5  #: seconds over which that is measured; the load average remembers minutes, this program's own included


def environment() -> dict[str, Any]:
    """Processor, cores, memory, operating system, Python, packages, BLAS and the state of this checkout."""
    import cpuinfo

    cpu = cpuinfo.get_cpu_info()
    flags = set(cpu.get("flags", []))
    blas, busy = blas_info(), busy_share()
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "processor": cpu.get("brand_raw", platform.processor() or "unknown"),
        "architecture": platform.machine(),
        "vector_extensions": sorted(flags & {"avx", "avx2", "avx512f", "avx512_fp16", "fma", "neon", "asimd", "sve"}),
        "cores": os.cpu_count(),
        "cores_usable": len(_affinity()),
        "l2_cache_bytes": cpu.get("l2_cache_size"),
        "l3_cache_bytes": cpu.get("l3_cache_size"),
        "memory_bytes": psutil.virtual_memory().total,
        "memory_available_bytes": psutil.virtual_memory().available,
        "load_average": list(psutil.getloadavg()),
        "busy_share": busy,
        "frequency_mhz": _frequency(),
        "governor": governor,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": _versions(),
        "blas": blas,
        "blas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "rates": in_use(),
        "git_commit": git_commit(),
        "warnings": [text for text in (kernel_warning(blas["kernel"], flags), governor_warning(governor)) if text],
    }


def _frequency() -> float | None:
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return round(found.current, 1) if found else None


def _affinity() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def usable_cores() -> list[int]:
    """The processors that this process may run on."""
    return _affinity()


def busy_share() -> float:
    """The share of all processors' time that programs use now, while this one sleeps."""
    return round(float(psutil.cpu_percent(interval=LOOK)) / 100, 3)


def busy_warning(share: float, when: str) -> str:
    """Empty, or that others were at work too."""
    return f"other programs used {share:.0%} of its processors {when}" if share > BUSY else ""


def governor_warning(governor: str | None) -> str:
    """Empty, or what is wrong with the governor of the processors' frequency."""
    if governor in (None, "performance"):
        return ""
    return f"the frequency governor is {governor!r}; 'performance' gives steadier timings"


def git_commit() -> str | None:
    """The commit of the clone that this package runs or was installed from, ``-dirty`` if changed; None without one."""
    here = Path(__file__)
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is not None:
        return _commit(here.parent)
    source = _installed_from()
    return _commit(source) if source is not None else None


def _commit(folder: Path) -> str | None:
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _installed_from() -> Path | None:
    """The folder that pip installed this package from, as it notes it (PEP 610)."""
    try:
        url = json.loads(distribution("autodiff-bench").read_text("direct_url.json") or "{}").get("url", "")
    except (PackageNotFoundError, ValueError, AttributeError):
        return None
    folder = Path(unquote(urlparse(url).path)) if url.startswith("file:") else None
    return folder if folder is not None and folder.is_dir() else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _versions() -> dict[str, str | None]:
    """Of the packages that times depend on; the optional ones only where they are installed."""
    found = {name: _version(name) for name in ("autodiff-bench", *PACKAGES)}
    return {name: text for name, text in found.items() if text or name not in OPTIONAL}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
