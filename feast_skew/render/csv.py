"""The report as CSV, one row per feature, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime

from feast_skew.render.base import renderer
from feast_skew.render.table import Cell, Kind, columns, rows
from feast_skew.render.wording import clean
from feast_skew.report import SkewReport, iso

LONGEST_CELL = 32_000
"""In characters; Excel takes 32,767 and cuts off the rest without a word."""
# What a spreadsheet takes for a formula: at the beginning of a text, also behind quotes and white space, and behind a semicolon
# or comma, which begins a cell of its own where the spreadsheet separates by it. The wide forms count in Japanese ones.
_FORMULA = re.compile(r"(^|[;,])([\s\"'`]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


@renderer("csv")
def render(report: SkewReport) -> str:
    """Give the table as CSV by RFC 4180: UTF-8, commas, lines that end with CRLF, a header, nothing where there is no value.

    A text that a spreadsheet would compute has an apostrophe before it. Control characters are written as `?`, line ends as
    spaces. Numbers are written so that they are read back the same.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    head = columns()
    writer.writerow(column.name for column in head)
    kinds = [column.kind for column in head]
    for row in rows(report):
        writer.writerow([_written(cell, kind) for cell, kind in zip(row, kinds, strict=True)])
    return text.getvalue()


def _written(cell: Cell, kind: Kind) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return iso(cell)
    if kind == "flag":
        return "true" if cell else "false"
    return harmless(str(cell)) if kind == "text" else repr(cell)


def harmless(text: str) -> str:
    """Give a text as one line of at most 32,000 characters that no spreadsheet computes."""
    line = _FORMULA.sub(r"\1'\2", clean(" ".join(text.split())))
    return line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 3] + "..."
