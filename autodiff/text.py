"""Numbers, words and tables as people read them; what comes from outside is tamed first.

Names, titles and reasons come from sweep files, engines of other people and records that anyone may have written: they
are one line of printable characters wherever they are shown, and mean nothing to Markdown.
"""

from __future__ import annotations

import re
import unicodedata

import pandas as pd

MOST = 300  #: characters of a text from outside that are shown
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|\x9b[0-?]*[ -/]*[@-~]")


def seconds_text(seconds: float) -> str:
    """Seconds with three digits and a unit: ``12.3 us``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def bytes_text(count: float) -> str:
    """Bytes with three digits and a decimal unit: ``33.6 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:g} B"


def tame(text: object, most: int = MOST) -> str:
    """One line of printable characters, at most so many: no terminal's escape sequences, no control characters."""
    whole = str(text)
    bare = ESCAPES.sub("", whole[: 8 * most])
    printable = (" " if one.isspace() else one for one in bare if one.isspace() or unicodedata.category(one)[0] != "C")
    line = " ".join("".join(printable).split())
    return line if len(line) <= most and len(whole) <= 8 * most else f"{line[: most - 2]} …"


def markdown(text: object, most: int = MOST) -> str:
    """A tamed paragraph of Markdown that shows the text as it is: no heading, list, markup, link or HTML."""
    return re.sub(r"^(\d*)([#+=.)-])", r"\1\\\2", _inline(text, most))


def _inline(text: object, most: int = MOST) -> str:
    line = tame(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*|$])|(?<!\w)(?=_)|(?<=\w)(?=_(?!\w))|(?=~~)", lambda found: "\\" + (found[1] or ""), line)
    return line.replace("](", "]\\(")


def markdown_table(table: pd.DataFrame) -> str:
    """A pipe table; its cells are shown as they are, whatever they hold."""
    rows = [list(table.columns), *table.astype(str).to_numpy().tolist()]
    lines = ["| " + " | ".join(map(_inline, row)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join(["---"] * table.shape[1]) + " |", *lines[1:]])
