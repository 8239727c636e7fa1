"""Numbers and tables as people read them."""

from __future__ import annotations

import pandas as pd


def seconds_text(seconds: float) -> str:
    """Seconds with three digits and a unit: ``12.3 us``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def markdown_table(table: pd.DataFrame) -> str:
    """A pipe table."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
