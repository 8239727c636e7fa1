"""What the command line prints with: tamed text, tables that fit, and progress that is seen without a terminal too."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from .text import tame

if TYPE_CHECKING:
    import pandas as pd

console = Console()
errors = Console(stderr=True)
LONGEST = 2000  #: characters of a sentence
EVERY = 15.0  #: seconds between lines of progress where there is no terminal
GAP = 2  #: between columns
NARROWEST = 6  #: characters that a column is cut to at most

Show = Callable[[int, int, str], None]


def plain(text: object, most: int = LONGEST) -> str:
    """Text from outside, as a console prints it: one line, no escape sequences, no markup."""
    return escape(tame(text, most))


def note(text: object, label: str = "note", colour: str = "yellow") -> None:
    """A sentence to know about."""
    console.print(f"[{colour}]{label}:[/] {plain(text)}", highlight=False, soft_wrap=True)


def print_table(frame: pd.DataFrame, spare: Sequence[Sequence[str]] = ()) -> None:
    """Print a table, a line per row: where it is too wide, spare columns go first, and then ends of long texts.

    Args:
        frame: the table.
        spare: groups of columns that it can do without, the first to go first.
    """
    cells = {str(name): [tame(one) for one in frame[name].astype(str)] for name in frame}
    left_out: list[str] = []
    for group in spare:
        if _total(_widths(cells)) <= console.width:
            break
        left_out += [name for name in group if cells.pop(name, None) is not None]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for name, width in _widths(cells, console.width).items():
        table.add_column(escape(tame(name)), no_wrap=True, overflow="ellipsis", width=width)
    for row in zip(*cells.values(), strict=True):
        table.add_row(*map(escape, row))
    console.print(table)
    if left_out:
        console.print(f"(too wide to show here: {plain(', '.join(left_out))})", highlight=False, style="dim")


def _widths(cells: dict[str, list[str]], most: float = math.inf) -> dict[str, int]:
    """The columns' widths, the widest of them cut until all fit."""
    widths = {name: max(map(cell_len, [name, *column])) for name, column in cells.items()}
    while _total(widths) > most and (widest := max(widths, key=widths.__getitem__)) and widths[widest] > NARROWEST:
        widths[widest] -= 1
    return widths


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


@contextmanager
def progress() -> Iterator[Show]:
    """A function that is told what comes next: a bar on a terminal, else a line every 15 seconds."""
    if not errors.is_terminal:
        yield _lines()
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        refresh_per_second=2,
        transient=True,
    ) as bar:
        task = bar.add_task("measuring", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=plain(what, 80))


def _lines(clock: Callable[[], float] = time.monotonic) -> Show:
    start, last = clock(), -EVERY

    def show(done: int, total: int, what: str) -> None:
        nonlocal last
        now = clock() - start
        if now - last < EVERY:
            return
        last = now
        left = f", about {now / done * (total - done):.0f} s left" if done and now >= EVERY else ""
        counted = f"{done} of {total} measured{left}; next " if total else ""
        errors.print(f"{counted}{plain(what, 120)}", highlight=False, soft_wrap=True)

    return show
