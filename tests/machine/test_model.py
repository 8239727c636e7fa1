"""Models: what they say of steps between those that were measured, and of memory."""

import math

import numpy as np
import pytest
from conftest import model_of
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.machine import tables
from autodiff.machine.cache import USUAL, read_caches
from autodiff.machine.model import SIZES, WHOLE, Model
from autodiff.program.steps import MOVED, TURN, Step, parts

sizes = st.integers(1, 2000)


def product_of(m, k, n, layout="", batch=1, read=()):
    return Step("matmul", "matmul", (batch, m, k, n), layout, 1, tuple(read), ())


@pytest.mark.parametrize("layout", ["", "a", "b"])
@given(m=sizes, k=sizes, n=sizes)
def test_products_that_cost_what_they_multiply(layout, m, k, n):
    """Where time is in proportion to the multiply-adds, so it is between the sizes measured, and beyond."""
    table = dict(model_of(call=0.0, fma=1e-11).table) | {"matmul  1 1 1": 1e-30, "matmul  2 2 2": 1e-30}
    _, inside = Model(table, 1, 1).product(product_of(m, k, n, layout))
    if not layout and max(m, k, n) < 4:
        return  # next to what is nothing but a call
    assert inside == pytest.approx(1e-11 * m * k * n, rel=1e-6)


@given(st.sampled_from(SIZES))
def test_what_was_measured_is_given_back(sizes):
    model = model_of()
    call, inside = model.product(product_of(*sizes))
    assert call + inside == pytest.approx(max(model.table[f"matmul  {' '.join(map(str, sizes))}"], call))


def test_what_was_too_large_to_be_measured_is_in_proportion():
    table = dict(model_of(call=0.0).table) | {"matmul ab 256 256 256": 1.0, "matmul ab 16 1024 256": 2.0}
    model = Model(table, 1 << 15, 1 << 20)
    _, cube = model.product(product_of(1024, 1024, 1024, "ab"))
    assert cube == pytest.approx(64.0)
    _, thin = model.product(product_of(16, 1024, 1024, "ab"))  # the first of its largest sizes is made smaller
    assert thin == pytest.approx(4 * model._measured("ab", 16, 256, 1024))


def test_several_products_cost_a_call_and_each_of_them():
    model = Model(dict(model_of(call=1e-6, fma=1e-9).table) | {"row called": 1e-8}, 1, 1)
    (call, inside), (_, once) = (model.product(product_of(4, 16, 4, batch=batch)) for batch in (100, 1))
    assert call == model.table["matmul  1 1 1"]
    assert inside == pytest.approx(100 * once)
    _, small = model.product(product_of(1, 1, 1, batch=100))
    assert small == pytest.approx(100 * 1e-8)  # no less than a row


def test_a_time_is_the_larger_of_computing_and_moving():
    table = dict(model_of(call=1e-7, element=1e-9).table) | {"read 65536": 1e-10, "read 1048576": 2e-10, "mixed": 1e-8}
    model = Model(table, 1 << 15, 1 << 20)

    def step(distance):
        return Step("map", "add", (1, 1000), "", 1, ((parts(distance), 16000),), ((0, 8000),))

    assert model.step(step(1 << 13)) == pytest.approx(1e-8 + 1e-7 + 1e-6)
    assert model.step(step(1 << 16)) == pytest.approx(1e-8 + 1e-7 + 1.6e-6)
    assert model.step(step(1 << 18)) == pytest.approx(1e-8 + 1e-7 + 2.4e-6)  # halfway, by doublings
    assert model.step(step(1 << 24)) == pytest.approx(1e-8 + 1e-7 + 3.2e-6)
    # in the last level what is kept depends on all the data: 2 MB of 8 MB are taken to be 5/6 of the way to 8 MB
    wide = Model(table | {"read 2097152": 2e-10, "read 8388608": 4e-10}, 1 << 15, 1 << 20)
    assert wide.step(step(1 << 21), parts(1 << 23)) == pytest.approx(1e-8 + 1e-7 + 16000 * (2e-10 + WHOLE * 2e-10))


def test_vectors_read_matrices_along_or_across_their_rows():
    table = dict(model_of(call=0.0, fma=0.0).table) | {"read 1048576": 1e-10, "across 1048576": 3e-10}
    model, read = Model(table, 1 << 15, 1 << 22), ((parts(1 << 20), 1 << 20),)
    for step, rate in (
        (product_of(1, 256, 512, "b", read=read), 1e-10),
        (product_of(1, 256, 512, "", read=read), 3e-10),
        (product_of(256, 512, 1, "", read=read), 1e-10),
        (product_of(256, 512, 1, "a", read=read), 3e-10),
        (product_of(256, 512, 2, "a", read=read), 1e-10),
    ):
        assert model.moving(step) == pytest.approx((1 << 20) * rate)


def test_loops_and_unknown_functions():
    table = dict(model_of(transcendental=5e-9).table) | {"turn": 1e-6, "moved": 2e-6, "row": 1e-7, "strided": 1e-9}
    model = Model(table, 1 << 15, 1 << 20)
    assert model.step(Step(TURN, "", (1, 1), "", 1, (), ())) == 1e-6
    assert model.step(Step(MOVED, "", (1, 1), "", 1, (), ())) == 2e-6
    unknown = Step("map", "erf", (1, 100), "", 1, (), ())
    assert model.step(unknown) == model.step(Step("map", "tanh", (1, 100), "", 1, (), ()))
    rows, one = (Step("map", "add", size, "", 1, (), ()) for size in ((10, 10), (1, 100)))
    assert model.step(rows) - model.step(one) == pytest.approx(9e-7)
    assert model.step(Step("map", "add", (1, 100), "s", 1, (), ())) - model.step(one) == pytest.approx(1e-7)


def test_predictions_add_up():
    network = ad.problems.mlp(20, 3, 4, 30)
    model = model_of(start=1e-6)
    steps = ad.engine("reverse").layout(network).program.steps()
    whole = model.predict(steps)
    assert whole == pytest.approx(1e-6 + sum(one.count * model.step(one) for one in steps))
    assert Model.read(model.to_dict()) == model
    assert math.isclose(model.rates.fma, 1e-11, rel_tol=1e-2)


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
def test_measuring_a_model(executor, monkeypatch):
    monkeypatch.setattr(tables, "LEAST", 1)
    monkeypatch.setattr(tables, "MOST", 1 << 18)
    tables._arena.cache_clear()
    found = tables.measure(executor, np.dtype(np.float32), 0.0)
    tables._arena.cache_clear()
    assert Model.read(found.to_dict()) == found
    assert (found.itemsize, found._sets) == (4, [1 << 16, 1 << 17, 1 << 18])
    assert 0 <= found.disturbed <= 1
    assert found.table["matmul  256 256 256"] > found.table["matmul  16 16 16"] > 0


def test_caches_are_those_of_the_machine(tmp_path):
    assert read_caches(tmp_path) == USUAL
    told = [(1, "Data", "48K"), (1, "Instruction", "32K"), (2, "Unified", "2048K"), (3, "Unified", "1G")]
    for index, (level, kind, size) in enumerate(told):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", str(level)), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    assert read_caches(tmp_path) == (48 << 10, 2 << 20, 1 << 30)
    (tmp_path / "index3" / "size").write_text("broken")
    assert read_caches(tmp_path) == (48 << 10, 2 << 20, 2 << 20)


@pytest.mark.parametrize(
    ("added", "lost"),
    [
        ({"matmul  4 4 4": 0.0}, ()),  # it has no logarithm
        ({"read far": 1e-10}, ()),
        ({"read ": 1e-10}, ()),
        ({"read 0": 1e-10, "across 0": 1e-10, "write 0": 1e-10}, ()),
        ({"start": 10**400}, ()),
        ({"start": math.nan}, ()),
        ({"start": -1.0}, ()),
        ({}, ("write 1048576",)),
        ({}, ("across 1048576",)),
        ({}, ("map add element",)),
        ({}, ("matmul x",)),
    ],
)
def test_a_table_that_nothing_could_be_predicted_from_is_no_model(added, lost):
    data = model_of().to_dict()
    assert Model.read(data) is not None
    data["table"] = {name: value for name, value in (data["table"] | added).items() if name not in lost}
    assert Model.read(data) is None
