"""The table of metrics in the documents is the registry's."""

from __future__ import annotations

import re
from pathlib import Path

from feast_skew.statistics.metrics.base import metrics
from feast_skew.statistics.psi import independent_psi

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def table() -> str:
    lines = ["| metric | looks at | unit | range | of | says | source |", "|---|---|---|---|---|---|---|"]
    for key, one in metrics().items():
        ends = ["inf" if end == float("inf") else "-inf" if end == float("-inf") else f"{end:g}" for end in one.span]
        of = " and ".join(name for name, fits in (("numbers", one.numbers), ("categories", one.categories)) if fits)
        looks = "pairs" if one.kind == "paired" else "both distributions"
        says = one.summary.replace("|", "\\|")
        lines.append(
            f"| `{key}` | {looks} | {one.unit} | {ends[0]} to {ends[1]} | {of} | {says} | {one.source.replace('|', chr(92) + '|')} |"
        )
    return "\n".join(lines)


def test_the_table_is_that_of_the_registry() -> None:
    found = re.search(r"<!-- metrics -->\n(.*?)\n<!-- end -->", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == table(), "the table should read:\n" + table()


def test_the_psi_by_hand_is_right() -> None:
    """3 and 1 rows offline, 2 and 2 online."""
    found = independent_psi([3, 1], [2, 2])
    assert found is not None
    assert f"{found.value:.4f}" in DOCUMENT.read_text()
