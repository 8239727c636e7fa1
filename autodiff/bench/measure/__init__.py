"""One measurement in its own process: verified, timed by pytest-benchmark, recorded."""
