"""The tables of docs/judging.md on sizes are what the program computes now."""

from __future__ import annotations

from pathlib import Path

import pytest

from feast_skew.statistics.power import decided_rates, sample_to_detect

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "judging.md").read_text()
BUDGET, CONFIDENCE = 0.001, 0.95


def sizes() -> str:
    populations = (10_000, 100_000, 1_000_000, 10**9)
    rows = [
        "| true rate | features | of 10,000 | of 100,000 | of 1,000,000 | of any number |",
        "|---|---|---|---|---|---|",
    ]
    for rate in (0.0015, 0.002, 0.003, 0.005, 0.01):
        for features in (1, 10, 300):
            found = [sample_to_detect(rate, 0.95, size, BUDGET, CONFIDENCE, features) for size in populations]
            rows.append(f"| {100 * rate:.3g} % | {features} | " + " | ".join(f"{size:,}" for size in found) + " |")
    return "\n".join(rows)


def reach() -> str:
    rows = ["| sample | passes up to | fails from |", "|---|---|---|"]
    for sample in (1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000):
        low, high = decided_rates(1_000_000, sample, BUDGET, CONFIDENCE, 10)
        assert high is not None
        rows.append(f"| {sample:,} | {'none' if low is None else f'{100 * low:.4g} %'} | {100 * high:.4g} % |")
    return "\n".join(rows)


@pytest.mark.parametrize(("name", "table"), [("sizes", sizes), ("reach", reach)])
def test_the_page_shows_what_is_computed(name: str, table) -> None:
    shown = PAGE.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]
    assert shown.strip() == table(), f"docs/judging.md, {name}: put this table there instead:\n{table()}"
