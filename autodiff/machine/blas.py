"""BLAS: which library, which kernel it chose, how many threads, and the variables that fix them."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: read by OpenBLAS, MKL, OpenMP, BLIS, Accelerate and NumExpr when they are loaded
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
AVX512_KERNELS = ("SkylakeX", "Cooperlake", "Sapphirerapids")


def thread_environment(threads: int, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which a new process gets that many threads, of BLAS and of every peer.

    XLA takes as many as the processors that the process may use, or NPROC says; its products are told apart.
    """
    found = dict(os.environ if base is None else base) | dict.fromkeys((*THREAD_VARIABLES, "NPROC"), str(threads))
    flag = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    kept = [word for word in found.get("XLA_FLAGS", "").split() if not word.startswith("--xla_cpu_multi_thread_eigen")]
    return found | {"XLA_FLAGS": " ".join([*kept, flag])}


def device_environment(device: str) -> dict[str, str]:
    """Variables that keep peers on the "cpu", or let them use the "gpu", and JAX at double precision."""
    found = {"AUTODIFF_DEVICE": device, "JAX_ENABLE_X64": "1"}
    return found | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else found


def blas_info() -> dict[str, Any]:
    """The BLAS library that NumPy loaded: name, version, kernel and threads. SciPy and others may bring their own."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.dot(np.ones(1), np.ones(1))  # makes sure that the library is there
    package = Path(np.__file__).parent
    found = [library for library in threadpool_info() if library.get("user_api") == "blas"]
    own = [one for one in found if {package, package.with_suffix(".libs")} & {*Path(one.get("filepath", "")).parents}]
    for library in own or found:
        return {
            "library": library.get("internal_api"),
            "version": library.get("version"),
            "kernel": library.get("architecture"),
            "threads": library.get("num_threads"),
            "file": Path(library.get("filepath", "")).name,
        }
    return {"library": "unknown", "version": None, "kernel": None, "threads": None, "file": None}


@functools.cache
def touch_buffers() -> None:
    """One product that is large enough to touch the memory that OpenBLAS packs matrices into, once in a process.

    Its kernels prefetch beyond what they have packed; into pages that were never touched that takes so long that a
    product of 128 x 64 by 64 x 16 takes 2.3 times as long as after a larger one, and one of 64 x 64 by 64 x 64 1.3.
    """
    import numpy as np

    np.dot(np.ones((512, 256)), np.ones((256, 256)))


def kernel_warning(kernel: str | None, flags: set[str]) -> str:
    """Empty, or what is wrong with the kernel that OpenBLAS chose on a processor with these flags."""
    if kernel and kernel not in AVX512_KERNELS and {"avx512f", "avx512dq", "avx512bw"} <= flags:
        return (
            f"OpenBLAS runs its {kernel} kernels on a processor with AVX-512; "
            "matrix products may run at about half speed. Try OPENBLAS_CORETYPE=SkylakeX"
        )
    return ""
