"""How every plot looks: the same colour for an engine everywhere, readable without colour too."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ....text import tame
from ...ask.names import COMPILED

# Okabe & Ito, Color Universal Design (2008)
COLOURS = {
    "forward": "#0072B2",
    "reverse": "#D55E00",
    "mixed": "#009E73",
    "auto": "#CC79A7",
    "explicit-forward": "#56B4E9",
    "explicit-reverse": "#E69F00",
    "finite-difference": "#888888",
    "complex-step": "#000000",
}
MARKERS = {"forward": "o", "reverse": "s", "mixed": "D", "explicit-forward": "^", "explicit-reverse": "v"}
OWN = "autodiff"  #: this package, in its engines' records
PACKAGES = {
    OWN: "#0072B2", "jax": "#882255", "torch": "#EE7733", "autograd": "#999933", "casadi": "#117733",
    "pytensor": "#33BBEE", "tensorflow": "#CC3311", "mlx": "#BBBBBB", "enzyme": "#332288",
}  # fmt: skip
SHADES = {"forward": (1.0, 0.45), "reverse": (0.0, 0.0), "": (0.0, 0.45)}  #: towards white or black, how far
OTHERS = ("#332288", "#117733", "#882255", "#999933", "#44AA99", "#661100")  # Tol's muted set, for further engines
GREY = "#555555"

SETTINGS: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "svg.hashsalt": "autodiff",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How an engine is drawn: an order keeps its colour and marker when it is compiled; dashed then, and hollow.

    Attributes:
        engine: its name.
        package: whose it is.
        mode: "forward", "reverse" or empty.
        compiled: it is this package's, and compiled.
    """

    engine: str
    package: str = OWN
    mode: str = ""
    compiled: bool = False

    @property
    def order(self) -> str:
        """The name without what says that it is compiled."""
        return self.engine.removeprefix(COMPILED) if self.compiled else self.engine

    @property
    def colour(self) -> str:
        """The same in every plot and every run; another package's modes are shades of its own."""
        if self.package == OWN and self.order in COLOURS:
            return COLOURS[self.order]
        if self.package.partition("@")[0] in PACKAGES and self.package != OWN:
            towards, share = SHADES.get(self.mode, SHADES[""])
            red, green, blue = ((1 - share) * part + share * towards for part in to_rgb(package_colour(self.package)))
            return to_hex((red, green, blue))
        return OTHERS[zlib.crc32(self.order.encode()) % len(OTHERS)]

    @property
    def dashes(self) -> str:
        """Of its line."""
        return "--" if self.compiled else "-"

    def line(self) -> dict[str, Any]:
        """How its curve is drawn."""
        marker = MARKERS.get(self.order if self.package == OWN else self.mode, "X")
        inside = {"markerfacecolor": "white"} if self.compiled else {}
        return {"color": self.colour, "linestyle": self.dashes, "marker": marker, **inside}


def looks(frame: pd.DataFrame) -> dict[str, Look]:
    """How the engines of a table's rows are drawn, by name: by what their records say of them."""
    rows = frame.drop_duplicates("engine")[["engine", "package", "mode", "executor"]].to_numpy().tolist()
    return {
        engine: Look(engine, package, mode, executor == "compiled" and engine.startswith(COMPILED))
        for engine, package, mode, executor in rows
    }


def package_colour(package: str) -> str:
    """The colour of a package, where packages are compared."""
    return PACKAGES.get(package.partition("@")[0], OTHERS[zlib.crc32(package.encode()) % len(OTHERS)])


def words(text: str) -> str:
    """Text from outside, in which a dollar is a dollar and begins no formula."""
    return tame(text, 100).replace("$", r"\$")


def seconds_axis(axes: Axes) -> None:
    """A logarithmic time axis in ns, us, ms and s; call it when everything is drawn."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0,) if high > 1000 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit_text(value, _SECONDS)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def bytes_axis(axes: Axes) -> None:
    """A logarithmic axis in bytes, KiB, MiB and GiB."""
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit_text(value, _BYTES)))


_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


def unit_text(value: float, units: Sequence[tuple[float, str]]) -> str:
    """A number in the largest unit that it reaches."""
    for scale, name in units:
        if value >= scale * 0.999:
            return f"{round(value / scale, 6):g} {name}"
    return f"{value:g}"


def size_axis(axes: Axes, sizes: Sequence[float]) -> None:
    """A logarithmic axis whose ticks are the sizes of the sweep, thinned to what fits."""
    axes.set_xscale("log", base=2)
    step = max(1, -(-len(sizes) // 8))
    shown = sorted(sizes)[::-1][::step][::-1]
    axes.set_xticks(shown, [f"{size:g}" for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())


def save(draw: Callable[[Figure], None], path: Path, width: float = 7.0, height: float = 4.4) -> list[Path]:
    """Draw a figure and write it as PNG and SVG; the same data gives the same bytes."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        written = [path.parent / f"{path.name}{ending}" for ending in (".png", ".svg")]
        figure.savefig(written[0], dpi=150, metadata={"Software": None})
        figure.savefig(written[1], metadata={"Date": None})
    return written
