"""`ad.jax.jacobian` against the better of `jax.jacfwd` and `jax.jacrev`, over layers of every kind.

    python benchmarks/jax_chains.py                     the table; --only gather for the rows with that in their name
    python benchmarks/jax_chains.py --choose counted    choose by counting alone, and not by measuring once per shape

A script and no sweep, because its layers are functions of JAX that no network of this package holds. All three are
compiled for one core, agree with each other, and are timed in turn, round by round; a row shows the least time of each,
which an interruption or a page fault cannot make less, and two ratios: ours over the better mode's, and that mode's own
over itself, compiled a second time, which is what this machine cannot tell apart.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from autodiff.jax import jacobian

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)  # on one core another thread would only be in the way

Layer = Callable[[Any], Any]
ROUNDS, SECONDS = 15, 2e-3


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def dense(n: int, m: int, seed: int = 0) -> Layer:
    W = jnp.asarray(numbers(m, n, seed=seed) / n**0.5)
    return lambda x: jnp.tanh(W @ x)


def convolution(channels: int, stride: int = 1, seed: int = 0) -> Layer:
    """Over (channels, 16, 16), or half of it."""
    K = jnp.asarray(numbers(channels, channels, 3, 3, seed=seed) / (9 * channels) ** 0.5)
    return lambda x: jnp.tanh(lax.conv_general_dilated(x[None], K, (stride, stride), "SAME")[0])


def pooled(kind: Layer) -> Layer:
    return lambda x: lax.reduce_window(x, *kind, (1, 2, 2), (1, 2, 2), "VALID")


def layer_norm(x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attention(width: int) -> Layer:
    Q, K, V = (jnp.asarray(numbers(width, width, seed=s) / width**0.5) for s in range(3))
    return lambda x: jax.nn.softmax((x @ Q) @ (x @ K).T / width**0.5) @ (x @ V)


def recurrence(n: int, steps: int) -> Layer:
    W = jnp.asarray(numbers(n, n) / n**0.5)
    return lambda x: lax.scan(lambda h, _: (jnp.tanh(W @ h) + 0.1 * x, None), x, length=steps)[0]


PERMUTED = jnp.asarray(np.random.default_rng(1).permutation(2000))
SOME = jnp.asarray(np.random.default_rng(2).integers(0, 1000, 200))
SPD = jnp.asarray(numbers(64, 64) @ numbers(64, 64).T + 64 * np.eye(64))


def table() -> dict[str, tuple[list[Layer], np.ndarray]]:
    """Name, layers, x."""
    vector, short, image, matrix = numbers(1000), numbers(256), numbers(4, 16, 16), numbers(32, 32)
    s500 = jnp.arange(500.0) / 500
    bottleneck = [dense(256, 256, 1), dense(256, 8, 2), dense(8, 256, 3), dense(256, 256, 4)]
    return {
        "dense": ([dense(256, 256)], short),
        "dense, wide to narrow": ([dense(256, 64), dense(64, 8)], short),
        "dense, narrow to wide": ([dense(8, 64), dense(64, 256)], numbers(8)),
        "dense, a bottleneck": (bottleneck, short),
        "dense, deep": ([dense(64, 64, s) for s in range(12)], numbers(64)),
        "dense, one output": ([dense(256, 256), dense(256, 1)], short),
        "dense, one input": ([dense(1, 256), dense(256, 256)], numbers(1)),
        "elementwise": ([jnp.sin, jnp.exp], vector),
        "elementwise, many": ([jnp.sin] * 10, short),
        "permutation": ([jnp.sin, lambda x: x[PERMUTED], jnp.sin], numbers(2000)),
        "reversal": ([jnp.sin, lambda x: x[::-1], jnp.cos], vector),
        "gather": ([jnp.sin, lambda x: x[SOME], jnp.tanh], vector),
        "scatter": ([jnp.sin, lambda x: jnp.zeros(1000).at[SOME].add(x), jnp.tanh], numbers(200)),
        "scatter, set": ([lambda x: jnp.ones(300).at[:200].set(x), jnp.sin], numbers(200)),
        "segment sum": ([jnp.sin, lambda x: jax.ops.segment_sum(x, SOME % 50, 50), jnp.tanh], numbers(200)),
        "take, rows": ([lambda x: x[jnp.array([3, 1, 2, 1])], lambda x: jnp.sin(x).ravel()], matrix),
        "cumsum": ([jnp.sin, jnp.cumsum, jnp.tanh], short),
        "sort": ([jnp.sin, jnp.sort, jnp.tanh], short),
        "top k": ([jnp.sin, lambda x: lax.top_k(x, 10)[0]], short),
        "max": ([jnp.sin, lambda x: x.reshape(32, 8).max(axis=1)], short),
        "sum, then broadcast": ([lambda x: jnp.sin(x).sum()[None], lambda s: s * s500], numbers(500)),
        "mean, then wide": ([lambda x: x.reshape(-1, 4).mean(1), dense(64, 256)], short),
        "outer product": ([jnp.sin, lambda x: jnp.outer(x, x)], numbers(32)),
        "scan": ([recurrence(64, 10)], numbers(64)),
        "scan, to one": ([recurrence(64, 10), lambda x: (x**2).sum()[None]], numbers(64)),
        "cond": ([jnp.sin, lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)], vector),
        "switch": ([lambda x: lax.switch(1, [jnp.sin, jnp.cos, jnp.tanh], x), jnp.exp], vector),
        "while, fixed trips": ([lambda x: lax.fori_loop(0, 5, lambda i, x: jnp.sin(x), x)], short),
        "where": ([lambda x: jnp.where(x > 0, x, 0.1 * x), jnp.sin], vector),
        "clip": ([lambda x: jnp.clip(x, -1, 1), jnp.sin], vector),
        "convolution": ([convolution(4)], image),
        "convolutions, strided": ([convolution(4, 2), convolution(4, 2, 1), jnp.ravel, dense(64, 8)], image),
        "convolutions, a bottleneck": (
            [convolution(4, 2), jnp.ravel, dense(256, 6), dense(6, 256), lambda x: x.reshape(4, 8, 8), convolution(4)],
            image,
        ),
        "max pooling": ([jnp.tanh, pooled((-jnp.inf, lax.max))], image),
        "mean pooling": ([jnp.tanh, pooled((0.0, lax.add))], image),
        "softmax": ([dense(64, 64), jax.nn.softmax], numbers(64)),
        "log softmax, one class": ([dense(64, 10), lambda x: jax.nn.log_softmax(x)[3:4]], numbers(64)),
        "layer norm, small": ([layer_norm, jnp.tanh], numbers(16, 16)),
        "layer norm, large": ([layer_norm, jnp.tanh], matrix),
        "attention": ([attention(16)], numbers(12, 16)),
        "attention, then one": ([attention(16), lambda x: x.mean(0)[:1]], numbers(12, 16)),
        "transformer block": ([layer_norm, attention(16), lambda x: x + jnp.tanh(x)], numbers(12, 16)),
        "fft": ([lambda x: jnp.fft.rfft(x).real, jnp.tanh], short),
        "solve": ([lambda x: jnp.linalg.solve(SPD, x), jnp.sin], numbers(64)),
        "cholesky": ([lambda x: SPD + x @ x.T, lambda A: jnp.linalg.cholesky(A).ravel()[:20]], numbers(64, 2)),
        "inverse": ([lambda x: jnp.linalg.inv(x @ x.T + 8 * jnp.eye(12)), lambda x: jnp.diag(x)], numbers(12, 12)),
        "einsum": ([lambda x: jnp.einsum("ij,kj->ik", x, jnp.asarray(numbers(8, 32))), jnp.tanh], matrix),
        "transpose": ([jnp.transpose, jnp.sin, jnp.ravel], matrix),
        "concatenation": ([lambda x: jnp.concatenate([jnp.sin(x), jnp.cos(x)]), dense(512, 16)], short),
        "cast": ([lambda x: jnp.sin(x.astype(jnp.float32)).astype(jnp.float64), dense(256, 32)], short),
        "residual": ([lambda x: x + dense(64, 64)(x), lambda x: x + dense(64, 64, 1)(x)], numbers(64)),
        "tiny": ([dense(4, 4), dense(4, 4, 1)], numbers(4)),
    }


def timed(runs: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of a call, round by round, every one in turn."""
    counts = {}
    for name, run in runs.items():
        jax.block_until_ready(run())
        start = time.perf_counter()
        jax.block_until_ready(run())
        counts[name] = max(1, min(1000, int(SECONDS / (time.perf_counter() - start))))
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS):
        for name in sorted(runs, reverse=bool(number % 2)):
            start = time.perf_counter()
            for _ in range(counts[name]):
                jax.block_until_ready(runs[name]())
            found[name].append((time.perf_counter() - start) / counts[name])
    return found


def measured(name: str, layers: list[Layer], x: np.ndarray, choose: str) -> dict[str, Any]:
    """A row of the table."""
    point = jnp.asarray(x)

    def f(x: Any) -> Any:
        return reduce(lambda value, layer: layer(value), layers, x)

    start = time.perf_counter()
    ours = jacobian(layers, choose=choose)
    J = np.asarray(ours(point))
    prepared = time.perf_counter() - start
    runs = {"ours": ours, "jacfwd": jax.jit(jax.jacfwd(f)), "jacrev": jax.jit(jax.jacrev(f))}
    try:
        np.testing.assert_allclose(J, runs["jacrev"](point), rtol=1e-5, atol=1e-6)
    except ValueError:  # a loop that has no reverse mode
        del runs["jacrev"]
        np.testing.assert_allclose(J, runs["jacfwd"](point), rtol=1e-5, atol=1e-6)
    least = {key: min(seconds) for key, seconds in timed(bound(runs, point)).items()}
    better = min((key for key in least if key != "ours"), key=least.__getitem__)
    again = jax.jit({"jacfwd": jax.jacfwd, "jacrev": jax.jacrev}[better](lambda x: f(x)))
    three = {"ours": ours, "better": runs[better], "again": again}
    last = {key: min(seconds) for key, seconds in timed(bound(three, point)).items()}
    row = {"kind": name, "n": point.size, "m": J.size // point.size, "better": better}
    row |= {f"{key}_s": value for key, value in least.items()}
    row |= {"ratio": last["ours"] / last["better"], "noise": last["again"] / last["better"]}
    return row | {"prepare_s": prepared, "plan": str(ours.plan(point)).splitlines()[0]}


def bound(runs: dict[str, Any], point: Any) -> dict[str, Callable[[], Any]]:
    """Calls at a point."""
    return {key: lambda run=run: run(point) for key, run in runs.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name holds this")
    parser.add_argument("--choose", choices=("measured", "counted"), default="measured")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a CSV file, too")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for name, (layers, x) in table().items():
        if given.only in name:
            row = measured(name, layers, x, given.choose)
            rows.append(row)
            shown = "  ".join(f"{1e6 * row.get(f'{key}_s', np.nan):10.1f}" for key in ("jacfwd", "jacrev", "ours"))
            size, ratios = f"{row['m']:5} x {row['n']:<5}", f"{row['ratio']:6.2f} {row['noise']:6.2f}"
            print(f"{name:28} {size} {shown} us  {ratios}  {row['plan'][:40]}", flush=True)
    for what, key in (("ours", "ratio"), ("itself, compiled again,", "noise")):
        found = np.array([row[key] for row in rows])
        print(f"{len(rows)} kinds, {what} over the better mode: {np.exp(np.log(found).mean()):.3f} in the geometric "
              f"mean, {found.max():.2f} at most ({rows[int(found.argmax())]['kind']})")  # fmt: skip
    if given.out:
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
