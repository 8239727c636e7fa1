"""Plots: one file per kind, drawn from results and never from engines."""

from .draw import draw_all

__all__ = ["draw_all"]
