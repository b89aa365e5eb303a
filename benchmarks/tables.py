"""Tables of measurements: printed, and put into a document between the comments that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy.stats import beta

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads, and rows of as many cells."""


def interval(hits: int, of: int, confidence: float = 0.95) -> str:
    """Write a share with its Clopper-Pearson interval, in percent."""
    if not of:
        return ""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, of - hits)) if hits < of else 1.0
    return f"{100 * hits / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table as markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(tables: Mapping[str, Table], document: Path, *, write: bool) -> None:
    """Print tables by name and, when asked, put each between `<!-- name -->` and the next `<!-- end -->` of a document."""
    text = document.read_text()
    for name, (heads, rows) in tables.items():
        table = markdown(heads, rows)
        print(f"{name}\n{table}\n")
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, t=table: f"{found[1]}{t}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    if write:
        document.write_text(text)
