"""How each number of the page is defined: the registry's own words, and those for what is judged from counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHARES = frozenset(
    {"mismatch_rate", "presence_rate", "late_rate", "null_rate_difference", "kolmogorov_smirnov", "l_infinity"}
)
"""Numbers that are read as percentages."""


@dataclass(frozen=True)
class Definition:
    """What a number is, in one sentence, with its unit and the document that tells more."""

    key: str
    summary: str
    unit: str
    document: str


_JUDGED = (
    Definition(
        "mismatch_rate",
        "Share of the compared entities whose online value is not the offline value of the same event timestamp, nulls on one side included.",
        "share",
        "docs/judging.md",
    ),
    Definition(
        "presence_rate", "Share of the sampled entities that are in one store only.", "share", "docs/judging.md"
    ),
    Definition(
        "late_rate",
        "Share of the entities in both stores whose online row lies further behind the latest offline row than max_lag.",
        "share",
        "docs/judging.md",
    ),
    Definition(
        "unaligned_difference",
        "Difference between online and the nearest earlier offline row, where the rows share no timestamp, beside how far offline itself moves.",
        "as its statistic",
        "docs/judging.md",
    ),
    Definition(
        "cosine_similarity",
        "Mean cosine of the pairs of vectors, 1 where they point the same way.",
        "none",
        "docs/metrics.md",
    ),
)


def definitions() -> dict[str, Definition]:
    """Give the definition of every number by its key: first what is judged, then the registry of metrics."""
    from feast_skew.statistics.metrics.base import metrics

    found = {one.key: one for one in _JUDGED}
    found.update(
        {key: Definition(key, _plain(one.summary), one.unit, "docs/metrics.md") for key, one in metrics().items()}
    )
    return found


def _plain(summary: str) -> str:
    """Turn what a function is told to give into what a number is."""
    told = summary.removeprefix("Give ")
    return told[:1].upper() + told[1:].replace("`", "")


def used(keys: Iterable[str]) -> list[Definition]:
    """Give the definitions of the numbers that a page shows, in the order of all definitions."""
    wanted = set(keys)
    return [one for key, one in definitions().items() if key in wanted]
