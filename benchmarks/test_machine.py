"""The machine's own speed: the rates that predictions are made from."""

import pytest

from autodiff.bench.calibrate import Calibration


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", ["call", "element", "transcendental", "fma"])
def test_machine(kernel, dtype, benchmark, request):
    Calibration(kernel, dtype).run(benchmark, request.config)
