"""Random networks, differentiated in every way; see :mod:`fuzz`. A failure is printed as a script, made short.

AUTODIFF_FUZZ_SECONDS is the time that they take together, 15 by default.
"""

import os
import time

import fuzz
import numpy as np
import pytest

from autodiff.primitives.table import PRIMITIVES

SECONDS = float(os.environ.get("AUTODIFF_FUZZ_SECONDS", "15"))
PARTS = 5
LEAST = 4  # cases of a part, however slow the machine is


@pytest.mark.parametrize("part", range(PARTS))
def test_every_way_gives_the_same(part):
    stop = time.monotonic() + SECONDS / PARTS
    seed = 1_000_000 * (part + 1)
    first = seed
    while time.monotonic() < stop or seed - first < LEAST:
        case = fuzz.generate(seed)
        wrong = fuzz.failure(case)
        if wrong:
            case = fuzz.shrink(case)
            pytest.fail(f"case {seed}:\n\n{case.source()}\n\n{fuzz.failure(case) or wrong}", pytrace=False)
        seed += 1


#: networks that were differentiated wrongly once
FOUND = {
    "a value that is used again without its derivative": [("np.exp(x.real * 2) * np.exp(x * 2)", ())],
    "equal factors": [("np.concatenate([np.sin(x) * np.cos(x) + x, x])", ()), ("(p0 @ x + p1) ** 2", ((3, 2), (3,)))],
    "a layer that does not see the input": [("np.take(p0, [0, 0])", ((2,),)), ("p0 @ x", ((3, 2),))],
    "columns of the parameters through a gather": [
        ("np.take(p0 @ np.array([-1.3]), [0, -1])", ((1, 1),)),
        ("np.take(p0 @ x + p1, [0, -1])", ((2, 2), (2,))),
    ],
    "a bundle through a gather": [
        *[("np.tanh(p0 @ x + p1)", ((3, size), (3,))) for size in (1, 3, 3, 3)],
        ("np.array([[1.0, 2.0], [3.0, 4.0]]) @ (np.array([[0.5, -1.0, 2.0], [3.0, 0.0, 1.0]]) @ x)", ()),
        ("np.take(np.array([[1.0, 0.5], [0.3, 4.0]]) @ x, [1, 0, 0])", ()),
        ("p0 @ x", ((2, 3),)),
    ],
    "a bundle times a number": [
        *[("p0 @ x", ((2, size),)) for size in (1, 2, 2)],
        *[("-0.5 * (p0 @ x)", ((2, 2),)) for _ in range(3)],
        ("p0 @ (x * x.real[0])", ((2, 2),)),
        ("p0 @ x", ((2, 2),)),
    ],
    "a matrix whose input is turned in the layer before": [
        ("np.concatenate([x, 2 * x, x * x])[::-1]", ()),
        ("x[::-1]", ()),
        ("p0 @ x + 1", ((3, 3),)),
    ],
    "pieces of unequal size": [("np.array_split(np.concatenate([x, x * x, x ** 3, 2 * x, x + 1]), 2)[0]", ())],
    "a matrix that is rolled as one row": [("np.roll(np.outer(p0, p1) * x, 1).reshape(-1)", ((2,), (3,)))],
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_wrong_once(name):
    author = fuzz.Author(np.random.default_rng(0), 1, np.ones(1))
    specs, n = [], 1
    for text, shapes in FOUND[name]:
        params = tuple(np.asarray(author.numbers(shape), float) for shape in shapes)
        specs.append(fuzz.Spec(n, (), text, params))
        n = specs[-1].layer().m
    for seed in range(4):
        fuzz.check(fuzz.Case(tuple(specs), np.array([0.6]), seed))


def test_a_failure_is_made_short(monkeypatch):
    """A wrong rule is found, and shown by a network of one layer."""
    monkeypatch.setitem(PRIMITIVES, np.sin, PRIMITIVES[np.cosh])
    found = next(case for case in map(fuzz.generate, range(200)) if "np.sin" in case.source() and fuzz.failure(case))
    case = fuzz.shrink(found, seconds=20.0)
    assert len(case.specs) == 1
    assert "np.sin" in case.source()
    scope = {}
    exec(case.source(), scope)
    assert scope["net"](scope["x"]).shape == (scope["net"].m,)
