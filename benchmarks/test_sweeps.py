"""Every sweep file, as pytest-benchmark tests: one per case and engine, verified before it is timed.

pytest benchmarks/                          all shipped sweeps
pytest benchmarks/ --sweep n --sweep m      two of them
pytest benchmarks/ --sweep mine.toml        a file of your own
"""


def test_sweep(measurement, benchmark):
    measurement.run(benchmark)
