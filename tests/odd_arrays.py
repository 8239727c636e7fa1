"""Feed prepared runs and operators arrays of every odd kind: the right numbers or an error of the package, no crash.

python tests/odd_arrays.py [COUNT] [SEED]
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import random
import sys
import tempfile
import threading
import warnings

import numpy as np
import pytest

import autodiff as ad


class Sub(np.ndarray):
    """A sub-class that adds nothing."""


class Liar(np.ndarray):
    """A sub-class that says what is not so."""

    shape = property(lambda self: (10**6,))
    flags = property(lambda self: np.empty(3).flags)


# -- the same numbers as an odd array; True if a run has to take them, False if it has to refuse


def freed(a):
    owner = np.full(a.size + 7, 9.0, a.dtype)
    owner[3:-4] = a.ravel()
    view = owner[3:-4].reshape(a.shape)
    del owner
    gc.collect(0)
    return view


def spaced(a):
    made = np.full((*a.shape[:-1], 3 * a.shape[-1]), np.nan, a.dtype)[..., ::3]
    made[...] = a
    return made


def backwards(a):
    made = np.empty_like(a)[::-1]
    made[...] = a
    return made


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    raw[...] = a
    return raw


def frozen(a):
    made = a.copy()
    made.flags.writeable = False
    return made


def mapped(a):
    with tempfile.TemporaryFile() as file:  # the map outlives the file
        made = np.memmap(file, a.dtype, "w+", shape=a.shape)
    made[...] = a
    return made


def constant(a):
    return np.broadcast_to(a.ravel()[:1], a.shape)


def repeated(a):
    return np.broadcast_to(a[:1], a.shape)


def fortran(a):
    return np.asfortranarray(a.copy())


def loose(a):
    """Strides of axes of size 1 that mean nothing."""
    steps = [8 if n > 1 else 13 * a.itemsize for n in a.shape[:-1]]
    if any(n > 1 for n in a.shape[:-1]):
        return a.copy()
    return np.lib.stride_tricks.as_strided(a.copy(), a.shape, (*steps, a.itemsize))


def from_ctypes(a):
    kind = ctypes.c_double if a.dtype == np.float64 else ctypes.c_float
    return np.frombuffer((kind * a.size)(*a.ravel().tolist()), a.dtype).reshape(a.shape)


def from_bytes(a):
    return np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape)


def from_array(a):
    return np.asarray(memoryview(array.array(a.dtype.char, a.ravel().tolist()))).reshape(a.shape)


def metadata(a):
    return a.astype(np.dtype(a.dtype, metadata={"a": 1}))


TAKEN = [np.copy, spaced, backwards, unaligned, frozen, mapped, constant, repeated, fortran, freed, loose, metadata]
TAKEN += [from_ctypes, from_bytes, from_array, lambda a: a.view(Sub), lambda a: a.copy().view(Liar)]
TAKEN += [lambda a: spaced(a).view(Sub), lambda a: np.array(a, ndmin=2)[0] if a.ndim == 1 else np.matrix(a)]

REFUSED = [
    lambda a: a.astype(a.dtype.newbyteorder()),
    lambda a: a.astype(np.float16),
    lambda a: a.astype(np.float32 if a.dtype == np.float64 else np.float64),
    lambda a: a.astype(np.longdouble),
    lambda a: a.astype(np.int64),
    lambda a: a.astype(np.complex128),
    lambda a: a.astype(object),
    lambda a: a.astype("U8"),
    lambda a: a.view(np.dtype([("f", a.dtype)])),
    lambda a: a.view(np.int64 if a.itemsize == 8 else np.int32),
    lambda a: a > 0,
    lambda a: np.array(a.ravel()[0]),
    lambda a: a.ravel()[0],
    lambda a: a[:0],
    lambda a: a[..., :-1],
    lambda a: a[None],
    lambda a: a[..., None],
    lambda a: np.ma.masked_less(a, 0),
    lambda a: a.tolist(),
    lambda a: a.tobytes(),
    lambda a: memoryview(np.ascontiguousarray(a)),
    lambda a: "x",
    lambda a: 7,
    lambda a: np.empty((0,), a.dtype),
    lambda a: np.empty((0, *a.shape), a.dtype),
]


def outs(chance, shape, dtype, x, seed, params):
    """An ``out`` of an odd kind, and whether it has to be taken."""
    size, plain = int(np.prod(shape)), np.full(shape, np.nan, dtype)
    given = [np.asarray(one) for one in (x, seed, params) if isinstance(one, np.ndarray)]
    overlapping = [one for one in given if one.dtype == dtype]
    overlapping = [one.ravel() for one in overlapping if one.flags.c_contiguous and one.size >= size]
    shared = np.full(x.size + size, 0.5, dtype)
    made = [
        (plain, True),
        (freed(plain), True),
        (mapped(plain), True),
        (plain.view(Sub), True),
        (np.empty(10 * size, dtype)[size : 2 * size].reshape(shape), True),
        (loose(plain), True),
        (frozen(plain), False),
        (unaligned(plain), False),
        (spaced(plain), size == 1 or None),
        (fortran(plain), None),
        (np.broadcast_to(plain, shape), False),
        (np.ma.array(plain), False),
        (plain.astype(dtype.newbyteorder()), False),
        (plain.astype(object), False),
        (plain.astype(np.float16), False),
        (plain.tolist(), False),
        (plain[None], False),
        (plain[:0], False),
        (np.empty((), dtype), False),
        (x, None if x.shape == shape and not np.shares_memory(x, x) else False),
        *[(one[-size:].reshape(shape), False) for one in overlapping if one.flags.writeable],
        (shared[:size].reshape(shape), (shared[size - 1 : size - 1 + x.size], False)),
    ]
    return chance.choice(made)


def networks():
    rng = np.random.default_rng(0)
    chain = ad.Network([ad.Dense(rng.standard_normal((4, 3)), rng.standard_normal(4), "tanh"), ad.Elementwise("sin")])
    wide = ad.problems.mlp(3, 3, 3, 4)
    one = ad.Network([ad.Dense(rng.standard_normal((1, 1)), rng.standard_normal(1), "tanh")])
    scalar = ad.problems.mlp(5, 1, 2, 4)
    return [chain, wide, one, scalar, chain.astype(np.float32)]


def prepared():
    orders = ["forward", "reverse", "mixed", "reverse-checkpointed(checkpoints=2)", "forward(chunk=2)"]
    names = [*orders, *[f"compiled-{name}" for name in orders]] if available() else orders
    for net in networks():
        for name in (*names, "complex-step", "finite-difference"):
            for wrt in ("input", "params"):
                for operation in ("jacobian", "gradient", "jvp", "vjp", "value"):
                    engine = ad.engine(name)
                    if not engine.supports(net, wrt, operation):
                        yield engine.prepare(net, wrt, operation=operation, seeds=2 if net.n > 1 else 1)


def available():
    return not ad.engine("compiled-forward").available()


class Trap:
    """Garbage that calls a run when it is collected, wherever that happens."""

    def __init__(self, run, x):
        self.run, self.x, self.me = run, x, self

    def __del__(self):
        with contextlib.suppress(ad.AutodiffError):
            self.run(self.x)


def numbers(chance, shape, dtype):
    rng = np.random.default_rng(chance.randrange(2**32))
    return rng.uniform(0.5, 1.5, shape).astype(dtype) * chance.choice([1.0, -1.0])


def reference(run, x, seed):
    """By plain arrays."""
    return run(np.array(x, run.network.dtype, subok=False), None if seed is None else np.array(seed, subok=False))


def close(found, expected):
    """To the bit, but for differences of f, which SciPy-free NumPy may evaluate by other loops for other addresses."""
    found, expected = np.asarray(found), np.asarray(expected)
    return found.shape == expected.shape and np.allclose(found, expected, 1e-5, 1e-6, equal_nan=True)


def one_call(chance, run):
    dtype = run.network.dtype
    x, seed_shape = numbers(chance, run.network.n, dtype), run._seed_shape
    seed = None if seed_shape is None else numbers(chance, seed_shape, dtype)
    must = True
    if chance.random() < 0.7:
        must = chance.random() < 0.6
        x = chance.choice(TAKEN if must else REFUSED)(x)
    if seed is not None and chance.random() < 0.5:
        taken = chance.random() < 0.7
        seed, must = chance.choice(TAKEN if taken else REFUSED)(seed), must and taken
    elif chance.random() < 0.02:
        seed, must = (np.ones(3), False) if seed is None else (None, False)
    out = None
    if must and chance.random() < 0.4:
        out, must = outs(chance, run.shape, dtype, np.asarray(x), seed, run.network.params)
        if isinstance(must, tuple):
            x, must = must
    if not must and not isinstance(x, np.ndarray):
        expected = None
    else:
        expected = reference(run, x, seed) if must or must is None else None
    try:
        found = run(x, seed, out)
    except ad.AutodiffError:
        if must:
            raise
        return "refused"
    assert must is not False, f"taken: x {describe(x)}, seed {describe(seed)}, out {describe(out)}"
    assert out is None or found is out
    assert close(found, expected), f"{found} instead of {expected} for {describe(x)}, {describe(seed)}, {describe(out)}"
    return "taken"


def describe(one):
    if not isinstance(one, np.ndarray):
        return repr(one)[:60]
    plain = one.view(np.ndarray)
    return f"{type(one).__name__} {plain.dtype} {plain.shape} by {plain.strides}"


def in_threads(chance, run):
    """Several threads, each with numbers of its own."""
    points = [numbers(chance, run.network.n, run.network.dtype) for _ in range(4)]
    seeds = [None if run._seed_shape is None else numbers(chance, run._seed_shape, run.network.dtype) for _ in points]
    expected = [run(x, seed) for x, seed in zip(points, seeds, strict=True)]
    wrong = []

    def work(k):
        try:
            for _ in range(20):
                if not close(run(points[k], seeds[k]), expected[k]):
                    wrong.append("other numbers")
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


def from_within(run):
    """A run that is called from within itself says so; afterwards it runs."""
    own = type(run)._run
    x, seed = np.ones(run.network.n, run.network.dtype), None
    if run._seed_shape is not None:
        seed = np.ones(run._seed_shape, run.network.dtype)

    def again(*given):
        run(x, seed)

    expected = run(x, seed)
    run._run = again
    with pytest.raises(ad.InputError, match="within itself"):
        run(x, seed)
    del run._run
    assert run._run.__func__ is own
    assert close(run(x, seed), expected)


def one_product(chance, J, D):
    """A product of an operator with an odd array: SciPy looks at the shapes, we at the numbers."""
    turned, k = chance.random() < 0.5, chance.choice([0, 1, 2, 3])
    length = J.shape[0 if turned else 1]
    v = numbers(chance, (length, k) if k else length, np.float64)
    odd = chance.choice(TAKEN + REFUSED)(v)
    A, B = (J.T, D.T) if turned else (J, D)
    try:
        found = A @ odd
    except (ad.AutodiffError, ValueError, TypeError):
        return
    if isinstance(odd, np.ndarray) and isinstance(found, np.ndarray):
        known = np.asarray(odd)
        assert known.dtype.kind in "fiub", f"{describe(odd)} was taken"
        assert np.allclose(found, B @ known.astype(float), 1e-3, 1e-4)


def one_function(chance, net):
    """The functions that prepare each time."""
    x = numbers(chance, net.n, net.dtype)
    must = chance.random() < 0.5
    odd = chance.choice(TAKEN if must else REFUSED)(x)
    call = chance.choice([ad.jacobian, ad.value_and_jacobian, lambda net, x: ad.jvp(net, x, x)])
    try:
        found = call(net, odd)
    except ad.AutodiffError:
        assert not must, f"refused: {describe(odd)}"
        return
    plain = np.array(np.asarray(odd), net.dtype)
    for one, other in zip(found, call(net, plain), strict=True):
        assert close(one, other)


def main(count: int = 3000, seed: int = 0) -> None:
    """``count`` calls."""
    warnings.simplefilter("ignore")  # np.matrix, and what odd numbers overflow
    chance, told = random.Random(seed), {"taken": 0, "refused": 0}
    runs, nets = list(prepared()), networks()
    operators = []
    for net in nets:
        for executor in ("numpy", "compiled") if available() else ("numpy",):
            x = numbers(chance, net.n, net.dtype)
            operators.append((ad.linearize(net, x, executor=executor)[1], ad.jacobian(net, x)))
    for run in runs:
        from_within(run)
    traps = [run for run in runs if run._seed_shape is None]
    for number in range(count):
        told[one_call(chance, chance.choice(runs))] += 1
        if number % 5 == 0:
            one_product(chance, *chance.choice(operators))
        if number % 50 == 0:
            run = chance.choice(traps)
            Trap(run, numbers(chance, run.network.n, run.network.dtype))
        if number % 500 == 0:
            in_threads(chance, chance.choice(runs))
            one_function(chance, chance.choice(nets))
            gc.collect()
    print(f"{count} calls: {told['taken']} taken, {told['refused']} refused")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
