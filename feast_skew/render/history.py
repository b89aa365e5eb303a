"""Lists of the history as text and JSON: runs, the features of one, one feature over time, several runs merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from feast_skew.render.harmless import harmless_json, harmless_text
from feast_skew.render.terminal import columns
from feast_skew.render.wording import clean, short


@dataclass(frozen=True)
class Listing:
    """A table of the history: `title` above it, `entries` by column name, and for people `heads` of the columns that are shown.

    `what` names the entries in JSON.
    """

    what: str
    project: str
    title: str
    heads: Mapping[str, str]
    entries: Sequence[Mapping[str, Any]]
    empty: str

    def to_dict(self) -> dict[str, Any]:
        """Give the listing as plain JSON values."""
        return {"schema_version": "1", "project": self.project, self.what: [dict(entry) for entry in self.entries]}


def render_json(listing: Listing) -> str:
    """Give the listing as indented JSON with a final newline."""
    return harmless_json(listing.to_dict(), default=_plain)


def render_text(listing: Listing) -> str:
    """Give the listing as a table."""
    if not listing.entries:
        return clean(listing.empty) + "\n"
    rows = [[*listing.heads.values()]]
    rows += [[_cell(name, entry.get(name)) for name in listing.heads] for entry in listing.entries]
    numeric = [
        all(isinstance(e.get(name), (int, float, type(None))) for e in listing.entries) for name in listing.heads
    ]
    widths = [max(columns(row[i]) for row in rows) for i in range(len(listing.heads))]
    lines = [clean(listing.title), ""] if listing.title else []
    for row in rows:
        spaces = [" " * (width - columns(cell)) for width, cell in zip(widths, row, strict=True)]
        cells = [gap + cell if right else cell + gap for cell, gap, right in zip(row, spaces, numeric, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return harmless_text(lines)


def _cell(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if name.endswith("_at") or name == "since":
        return str(value)[:19].replace("T", " ")
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else short(str(getattr(value, "value", value)))


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)


FORMATS = {"json": render_json, "text": render_text}
