"""What the command line prints: a line per row, whatever the width, and progress without a terminal."""

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autodiff import terminal
from autodiff.text import markdown, tame


@pytest.fixture
def printed(monkeypatch):
    def show(width, *arguments):
        out = io.StringIO()
        monkeypatch.setattr(terminal, "console", Console(file=out, width=width))
        terminal.print_table(*arguments)
        return out.getvalue().splitlines()

    return show


TABLE = pd.DataFrame({"n": [1, 2], "engine": ["compiled-forward"] * 2, "time": ["12 µs"] * 2, "of": ["reverse"] * 2})


def test_a_table_has_a_line_per_row(printed):
    assert len(printed(80, TABLE, [["of"]])) == 3
    narrow = printed(30, TABLE, [["of"], ["time"]])
    assert narrow[0].split() == ["n", "engine", "time"]
    assert narrow[-1] == "(too wide to show here: of)"
    cut = printed(20, TABLE)
    assert len(cut) == 3
    assert all(len(line) <= 34 for line in cut)  # no column is cut to less than a few characters
    assert "…" in cut[1]


def test_progress_without_a_terminal_is_a_line_every_fifteen_seconds(monkeypatch):
    out, now = io.StringIO(), iter([0.0, 0.0, 1.0, 14.0, 15.0, 16.0, 31.0])
    monkeypatch.setattr(terminal, "errors", Console(file=out, width=80))
    show = terminal._lines(lambda: next(now))
    for done in range(6):
        show(done, 10, f"case {done}\x1b[2J")
    assert out.getvalue().splitlines() == [
        "0 of 10 measured; next case 0",
        "3 of 10 measured, about 35 s left; next case 3",
        "5 of 10 measured, about 31 s left; next case 5",
    ]


@given(st.text())
def test_tamed_text_is_one_printable_line(text):
    for made in (tame(text), markdown(text)):
        assert made.isprintable()
        assert "\n" not in made
    assert tame(tame(text)) == tame(text)
    assert "<" not in markdown(text)
