"""Tables of measurements: printed, and put into a document between the comments that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads, and rows of as many cells."""


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
