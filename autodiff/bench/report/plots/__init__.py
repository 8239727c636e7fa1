"""Plots: one file per kind, drawn from results and never from engines."""

from .draw import ROOFLINE, draw_all

__all__ = ["ROOFLINE", "draw_all"]
