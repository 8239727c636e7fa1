"""Lets pytest find the sweeps; the machinery is autodiff.bench."""

from autodiff.bench.measure.plugin import *  # noqa: F403
