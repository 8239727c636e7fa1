"""The machine's own speed: the rates that predictions are made from."""


def test_machine(calibration, benchmark):
    calibration.run(benchmark)
