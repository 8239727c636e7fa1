"""The README's code runs as it stands."""

import re
from pathlib import Path

import pytest

from autodiff.bench.ask.files import parse
from autodiff.testing import check_engine

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]


@pytest.mark.parametrize("code", PYTHON, ids=["library", "layer", "operator", "jax", "engine"])
def test_python_blocks(code):
    if "import jax" in code:
        pytest.importorskip("jax", reason="the peers extra is not installed")
    namespace = {}
    exec(code, namespace)
    if "OneSided" in namespace:
        check_engine(namespace["OneSided"]())
    elif "lsmr" in code:
        assert 0.8 < namespace["r"] @ namespace["r"] / namespace["r"].size < 1.2
    else:
        expected = (256, 256) if "import jax" in code else (1, 48) if "Attention" in code else (1, 64)
        assert namespace["J"].shape == expected


def test_the_sweep_is_valid():
    import tomllib

    sweep = parse(tomllib.loads(next(code for language, code in BLOCKS if language == "toml")), "README")
    assert len(sweep.cases()) == 4


def test_the_two_commands_stand_under_start():
    block = README.split("## Start")[1].split("```sh\n")[1].split("```")[0]
    assert block.count("\n") == 2
