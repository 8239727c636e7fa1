"""GradBench's evals: functions against formulas written out, derivatives against complex steps, messages as sent."""

import json
import math
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import expit, logsumexp, multigammaln
from scipy.stats import multivariate_normal

import autodiff as ad
from autodiff.gradbench import Tool
from autodiff.problems.gradbench import EVALS, REFUSED, ba
from autodiff.testing import reference_product, relative_error


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# -- inputs as evals send them


def lstm_input(layers=2, length=5, b=3):
    shapes = {"main_params": (2 * layers, 4 * b), "extra_params": (3, b), "state": (2 * layers, b)}
    made = {name: numbers(*shape, seed=i).tolist() for i, (name, shape) in enumerate(shapes.items())}
    return made | {"sequence": np.random.default_rng(9).integers(0, 2, (length, b)).tolist()}


def gmm_input(d=3, k=2, n=4, m=2):
    shapes = {"x": (n, d), "alpha": (k,), "mu": (k, d), "q": (k, d), "l": (k, d * (d - 1) // 2)}
    made = {name: numbers(*shape, seed=i).tolist() for i, (name, shape) in enumerate(shapes.items())}
    return made | {"d": d, "k": k, "n": n, "m": m, "gamma": 1.3}


def ba_input(p=5, rotation=(0.3, -0.2, 0.1)):
    cam = [*rotation, 0.1, 0.2, -3.0, 400.0, 5.0, -7.0, 0.02, -0.01]
    return {"n": 2, "m": 3, "p": p, "cam": cam, "x": [0.4, -0.3, 1.5], "w": 0.7, "feat": [3.0, 11.0]}


def ht_input(count=4, vertices=9, triangle=True, mirrored=False, theta=None):
    bones, rng = 22, np.random.default_rng(5)
    transforms = np.tile(np.eye(4), (2, bones, 1, 1))
    transforms[:, :, :3] += 0.3 * rng.normal(size=(2, bones, 3, 4))
    model = {
        "bone_count": bones,
        "parents": [-1, 0, *(1 if i % 4 == 0 else i + 1 for i in range(20))],
        "base_relatives": transforms[0].tolist(),
        "inverse_base_absolutes": transforms[1].tolist(),
        "base_positions": np.hstack([rng.normal(size=(vertices, 3)), np.ones((vertices, 1))]).tolist(),
        "weights": rng.uniform(size=(vertices, bones)).tolist(),
        "triangles": rng.integers(0, vertices, (6, 3)).tolist(),
        "is_mirrored": mirrored,
    }
    places = rng.integers(0, 6 if triangle else vertices, count).tolist()
    return {
        "theta": (0.4 * rng.normal(size=26) if theta is None else np.asarray(theta)).tolist(),
        "data": {"model": model, "correspondences": places, "points": rng.normal(size=(count, 3)).tolist()},
        "us": rng.uniform(size=(count, 2)).tolist() if triangle else [],
    }


INPUTS = {
    "hello": 3.0,
    "llsq": {"x": numbers(4).tolist(), "n": 7},
    "lse": {"x": (100.0 * numbers(9)).tolist()},
    "ode": {"x": [0.5, 2.0, 1.0, 0.7], "s": 3},
    "det": {"A": numbers(16).tolist(), "ell": 4},
    "gmm": gmm_input(),
    "lstm": lstm_input(),
    "ba": ba_input(),
    "ht": ht_input(),
}
MORE = {
    "det": [{"A": [2.5], "ell": 1}, {"A": numbers(4).tolist(), "ell": 2}],
    "gmm": [gmm_input(d=1), gmm_input(d=2, k=1, m=0)],
    "lstm": [lstm_input(layers=1), lstm_input(layers=3, length=2)],
    "ba": [ba_input(rotation=(0.0, 0.0, 0.0))],
    "ht": [ht_input(triangle=False, mirrored=True), ht_input(theta=np.zeros(26))],
}
CASES = [(name, given) for name, first in INPUTS.items() for given in [first, *MORE.get(name, [])]]
IDS = [f"{name}{sum(name == other for other, _ in CASES[:i])}" for i, (name, _) in enumerate(CASES)]


def asked(name, function, given, engine="auto"):
    message = {"id": 1, "kind": "evaluate", "module": name, "function": function, "input": given}
    answer = json.loads(Tool(engine).answered(json.dumps(message)))
    assert answer["success"], answer["error"]
    return answer["output"]


# -- values, by formulas that are written out here


def value_of(name, given):
    return globals()[f"{name}_value"](given)


def hello_value(x):
    return x * x


def llsq_value(given):
    total = 0.0
    for i in range(given["n"]):
        t = -1 + 2 * i / (given["n"] - 1)
        total += (np.sign(t) - sum(x * t**j for j, x in enumerate(given["x"]))) ** 2 / 2
    return total


def lse_value(given):
    return logsumexp(given["x"])


def ode_value(given):
    """y_i is a polynomial of degree i + 1, which steps of order four are exact for up to the fourth."""
    return [math.prod(given["x"][: i + 1]) * 2.0 ** (i + 1) / math.factorial(i + 1) for i in range(len(given["x"]))]


def det_value(given):
    return np.linalg.det(np.reshape(given["A"], (given["ell"], given["ell"])))


def gmm_value(given):
    d, k, gamma = given["d"], given["k"], given["gamma"]
    weights, freedom, prior, parts = np.exp(given["alpha"] - logsumexp(given["alpha"])), d + given["m"] + 1, 0.0, 0.0
    for i in range(k):
        Q = np.diag(np.exp(given["q"][i]))
        below = iter(given["l"][i])
        for column in range(d):
            for row in range(column + 1, d):
                Q[row, column] = next(below)
        P = Q.T @ Q
        parts = parts + weights[i] * np.exp(multivariate_normal(given["mu"][i], np.linalg.inv(P)).logpdf(given["x"]))
        prior += given["m"] / 2 * np.linalg.slogdet(P)[1] - gamma**2 / 2 * np.trace(P) + freedom * d * np.log(gamma)
        prior -= freedom * d / 2 * np.log(2) + multigammaln(freedom / 2, d)
    return np.sum(np.log(parts)) + prior


def lstm_value(given):
    main, extra, state = (np.array(given[name]) for name in ("main_params", "extra_params", "state"))
    sequence, b, total = np.array(given["sequence"], float), state.shape[1], 0.0
    for now, after in pairwise(sequence):
        x = now * extra[0]
        for i in range(0, len(state), 2):
            w, bias, h, c = main[i].reshape(4, b), main[i + 1].reshape(4, b), state[i], state[i + 1]
            c = c * expit(x * w[0] + bias[0]) + expit(h * w[1] + bias[1]) * np.tanh(h * w[3] + bias[3])
            x = expit(x * w[2] + bias[2]) * np.tanh(c)
            state[i], state[i + 1] = x, c
        predicted = x * extra[1] + extra[2]
        total += after @ (predicted - np.log(2 + np.exp(predicted).sum()))
    return -total / (b * (len(sequence) - 1))


def ba_errors(cam, x, w, feat):
    local = Rotation.from_rotvec(cam[:3]).apply(np.subtract(x, cam[3:6]))
    p = local[:2] / local[2]
    square = p @ p
    projected = cam[6] * p * (1 + cam[9] * square + cam[10] * square**2) + cam[7:9]
    return [*(w * (projected - feat)), 1 - w * w]


def ba_value(given):
    found = ba_errors(*(given[name] for name in ("cam", "x", "w", "feat")))
    p = given["p"]
    return {"reproj_error": {"elements": found[:2], "repeated": p}, "w_err": {"element": found[2], "repeated": p}}


def ht_value(given):
    theta, model, data = np.array(given["theta"]), given["data"]["model"], given["data"]
    euler = np.zeros((22, 3))  # about x, z, y
    for finger in range(5):
        own = theta[6 + 4 * finger :]
        euler[2 + 4 * finger, :2], euler[3 + 4 * finger, 0], euler[4 + 4 * finger, 0] = own[:2], own[2], own[3]
    bones, places = [], 0.0
    for bone, (x, z, y) in enumerate(euler):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("xyz", [x, y, z]).as_matrix()
        parent = model["parents"][bone]
        bones.append((np.eye(4) if parent < 0 else bones[parent]) @ model["base_relatives"][bone] @ turn)
        moved = np.array(model["base_positions"]) @ (bones[bone] @ model["inverse_base_absolutes"][bone]).T
        places = places + np.array(model["weights"])[:, bone : bone + 1] * moved[:, :3]
    places = places * [-1 if model["is_mirrored"] else 1, 1, 1]
    places = Rotation.from_rotvec(theta[:3]).apply(places) + theta[3:6]
    if given["us"]:
        corners = places[np.array(model["triangles"])[data["correspondences"]]]
        shares = [[u, v, 1 - u - v] for u, v in given["us"]]
        return (data["points"] - np.einsum("nk,nkc->nc", shares, corners)).ravel()
    return (np.array(data["points"]) - places[data["correspondences"]]).ravel()


FIRST = {
    name: ("square" if name == "hello" else "primal" if "primal" in EVALS[name] else "objective") for name in EVALS
}
SECOND = {name: next(one for one in EVALS[name] if one != FIRST[name]) for name in EVALS}


def flat(value):
    """All numbers of nested lists and objects, objects by their keys."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, (list, tuple, np.ndarray)):
        return [number for one in value for number in flat(one)]
    return [float(value)]


@pytest.mark.parametrize(("name", "given"), CASES, ids=IDS)
def test_values_are_those_of_the_formulas(name, given):
    assert flat(asked(name, FIRST[name], given)) == pytest.approx(flat(value_of(name, given)), rel=1e-10, abs=1e-12)


# -- derivatives


@pytest.mark.parametrize("engine", ["auto", "reverse", "forward"])
@pytest.mark.parametrize(("name", "given"), CASES, ids=IDS)
def test_derivatives_are_those_of_complex_steps(name, given, engine):
    """Of the very network that is asked: what is put together of its Jacobian is looked at below."""
    task = EVALS[name][SECOND[name]](given)
    if name == "ba":
        task.evaluate(lambda x: np.zeros((2, x.size)))  # which leaves the last block in x
    count = task.network.variables(task.wrt)
    J = ad.engine(engine).prepare(task.network, task.wrt, operation=task.operation)(task.x)
    expected = reference_product(task.network, task.x, np.eye(count), task.wrt)
    assert relative_error(J, expected) < 1e-9


def test_a_gradient_comes_in_the_parts_of_its_input():
    given = gmm_input()
    made = asked("gmm", "jacobian", given)
    assert {name: np.shape(made[name]) for name in made} == {
        name: np.shape(given[name]) for name in ("alpha", "mu", "q", "l")
    }
    step = 1e-6
    for name in made:
        ends = []
        for sign in (1, -1):
            moved = np.array(given[name])
            moved.flat[1] += sign * step
            ends.append(gmm_value(given | {name: moved.tolist()}))
        assert np.ravel(made[name])[1] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_a_hands_own_coordinates_come_first():
    """Rows are points, coordinate by coordinate; columns are the place in the triangle, then the pose."""
    given, step = ht_input(), 1e-6
    J = np.array(asked("ht", "jacobian", given))
    assert J.shape == (12, 28)
    for column in (0, 1, 2, 5, 27):
        ends = []
        for sign in (1, -1):
            u, theta = np.array(given["us"]), np.array(given["theta"])
            (u[:, column : column + 1] if column < 2 else theta[column - 2 : column - 1])[:] += sign * step
            ends.append(ht_value(given | {"us": u.tolist(), "theta": theta.tolist()}))
        np.testing.assert_allclose(J[:, column], (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-7)


@cache
def adjustment(p=11):
    """Observations that all differ, of more than one block."""
    rng = np.random.default_rng(3)
    cameras = np.array(ba_input()["cam"])[:, None] * rng.uniform(0.8, 1.2, (11, 3))
    points = np.array([[0.4], [-0.3], [1.5]]) * rng.uniform(0.8, 1.2, (3, 4))
    data = (cameras, points, rng.uniform(size=p), rng.normal(size=(2, p)), rng.integers(0, 3, p), rng.integers(0, 4, p))
    return ba.Adjustment(*data)


@pytest.mark.parametrize("engine", ["reverse", "forward"])
@pytest.mark.parametrize("size", [1, 4, 11])
def test_the_sparse_jacobian_is_the_dense_one(size, engine):
    from scipy.sparse import csr_array

    data, p = adjustment(), 11
    network = ad.Network([ba.errors(size), ba.summed(size)])
    task = ba.Blocks(network, np.zeros(16 * size), None, "jacobian", data=data)
    begins, columns, values = task.evaluate(ad.engine(engine).prepare(network))
    found = csr_array((values, columns, begins), shape=(3 * p, 11 * 3 + 3 * 4 + p)).toarray()

    def errors(v):
        cameras, points, weights = v[:33].reshape(3, 11), v[33:45].reshape(4, 3), v[45:]
        each = [ba_errors(cameras[data.camera[i]], points[data.point[i]], weights[i], data.features[:, i])
                for i in range(p)]  # fmt: skip
        return np.concatenate([np.ravel([one[:2] for one in each]), [one[2] for one in each]])

    at = np.concatenate([data.cameras.T.ravel(), data.points.T.ravel(), data.weights])
    steps = 1e-6 * np.eye(at.size)
    dense = np.stack([(errors(at + step) - errors(at - step)) / 2e-6 for step in steps], axis=1)
    np.testing.assert_allclose(found, dense, rtol=1e-6, atol=1e-5)


def test_the_sparse_jacobian_is_answered_by_its_ends():
    made = asked("ba", "jacobian", ba_input(p=700))  # more than one block
    assert made["rows"] == [*range(0, 450, 15), 700 * 31]
    assert made["cols"][:15] == [*range(11), 22, 23, 24, 31]
    assert made["cols"][-1] == 22 + 9 + 699
    assert made["vals"][-1] == pytest.approx(-1.4)


# -- families

AS_SENT = {
    "llsq": lambda net: {"x": net.example_input().tolist(), "n": 6},
    "lse": lambda net: {"x": net.example_input().tolist()},
    "ode": lambda net: {"x": net.params.tolist(), "s": 2},
    "det": lambda net: {"A": net.example_input().tolist(), "ell": 3},
}


@pytest.mark.parametrize("module", AS_SENT)
def test_a_family_is_the_function_of_its_eval(module):
    family = ad.problems.families()[module]
    net = family.small()
    task = EVALS[module]["gradient"](AS_SENT[module](net))
    expected = ad.gradient(net, net.example_input(), wrt=family.wrt)
    assert task.wrt == family.wrt
    assert np.allclose(ad.gradient(task.network, task.x, wrt=task.wrt), expected, rtol=1e-12)


# -- messages

HELLO = {"id": 7, "kind": "evaluate", "module": "hello", "function": "double", "input": 3.0}
LSE = HELLO | {"module": "lse", "function": "gradient", "input": {"x": [0.0, 0.0], "min_runs": 3, "min_seconds": 0}}


def test_a_session(tmp_path):
    """As the intermediary has it: one message after the other on standard input, one answer each."""
    messages = [
        {"id": 0, "kind": "start", "eval": "hello"},
        {"id": 1, "kind": "define", "module": "hello"},
        HELLO,
        {"id": 3, "kind": "analysis", "of": 7, "valid": True},
        {"id": 4, "kind": "define", "module": "kmeans"},
        {"id": 5, "kind": "evaluate", "module": "lse"},
        LSE,
    ]
    lines = [json.dumps(one) for one in messages]
    lines.insert(3, "no JSON")
    command = [sys.executable, "-m", "autodiff", "gradbench", "--engine", "reverse"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("id") for one in answers] == [0, 1, 7, None, 3, 4, 5, 7]
    assert answers[0]["tool"] == "autodiff"
    assert answers[0]["config"]["engine"] == "reverse"
    assert answers[1]["success"]
    assert answers[2]["output"] == 6.0
    assert answers[4] == {"id": 3}
    assert [one["success"] for one in answers[5:]] == [False, False, True]
    assert answers[7]["output"] == [0.5, 0.5]
    assert [one["name"] for one in answers[7]["timings"]] == ["prepare", *["evaluate"] * 3]
    assert all(one["nanoseconds"] >= 0 for one in answers[7]["timings"])


def test_an_unknown_engine_is_refused_before_any_message(tmp_path):
    command = [sys.executable, "-m", "autodiff", "gradbench", "--engine", "revers"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "reverse" in done.stderr


@pytest.mark.parametrize("module", REFUSED)
def test_evals_of_second_derivatives_are_refused_with_a_reason(module):
    answer = Tool().answer(json.dumps({"id": 1, "kind": "define", "module": module}))
    assert answer["success"] is False
    assert answer["error"].startswith(f"{module} ")


def test_runs_are_repeated_until_the_time_is_over():
    given = {"x": [1.0, 2.0], "min_runs": 1, "min_seconds": 0.005}
    timings = json.loads(Tool().answered(json.dumps(LSE | {"input": given})))["timings"]
    assert sum(one["nanoseconds"] for one in timings if one["name"] == "evaluate") >= 5e6


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("[1, 2]", "is list"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ({"kind": "start"}, "no id"),
        ({"id": 7}, "kind of message"),
        ({"id": 7, "kind": ["start"]}, "kind of message"),
        ({"id": 7, "kind": "define"}, "no field module"),
        ({"id": 7, "kind": "define", "module": 3}, "unknown module"),
        ({"id": 7, "kind": "define", "module": "gm"}, "gmm"),
        (HELLO | {"function": "triple"}, "function of hello"),
        ({key: value for key, value in HELLO.items() if key != "input"}, "no input"),
        (HELLO | {"input": "3"}, "expected a finite number"),
        (HELLO | {"input": True}, "expected a finite number"),
        (LSE | {"input": {"x": []}}, "empty"),
        (LSE | {"input": {"x": [[1.0]]}}, "shape (1, 1)"),
        (LSE | {"input": {"x": [[1.0], [1.0, 2.0]]}}, "ragged"),
        (LSE | {"input": {"x": [1.0, "a"]}}, "something else than numbers"),
        (LSE | {"input": {"x": [1.0, None]}}, "something else than numbers"),
        (LSE | {"input": {"x": [1.0, math.nan]}}, "NaN"),
        (LSE | {"input": {"x": [1.0], "min_runs": 1.5}}, "min_runs is 1.5"),
        (LSE | {"input": {"x": [1.0], "min_seconds": "1"}}, "min_seconds"),
        (LSE | {"input": [1.0]}, "expected an object with the field x"),
        (LSE | {"module": "llsq", "input": {"x": [1.0], "n": 1}}, "n is 1"),
        (LSE | {"module": "llsq", "input": {"x": [1e200], "n": 3}, "function": "primal"}, "NaN or infinity"),
        (LSE | {"module": "ode", "input": {"x": [1.0], "s": 0}}, "s is 0"),
        (LSE | {"module": "det", "input": {"A": [1.0] * 3, "ell": 2}}, "A has 3 elements"),
        (LSE | {"module": "det", "input": {"A": [1.0] * 900, "ell": 30}}, "at most"),
        (LSE | {"module": "gmm", "function": "jacobian", "input": gmm_input() | {"mu": [[1.0]]}}, "mu has shape"),
        (
            LSE | {"module": "lstm", "function": "jacobian", "input": lstm_input() | {"sequence": [[1]]}},
            "state has shape",
        ),
        (LSE | {"module": "ba", "function": "jacobian", "input": ba_input() | {"cam": [1.0]}}, "cam has shape"),
        (LSE | {"module": "ht", "function": "jacobian", "input": ht_input() | {"us": [[0.1, 0.2]]}}, "us has shape"),
        (LSE | {"module": "ht", "function": "jacobian", "input": {"theta": []}}, "no field data"),
    ],
)
def test_what_is_wrong_with_a_message_is_said_and_the_next_is_answered(message, says):
    tool = Tool("reverse")
    answer = json.loads(tool.answered(message if isinstance(message, str) else json.dumps(message)))
    assert answer["success"] is False
    assert says in answer["error"]
    assert answer.get("id") == (message.get("id") if isinstance(message, dict) else None)
    assert json.loads(tool.answered(json.dumps(HELLO)))["output"] == 6.0
