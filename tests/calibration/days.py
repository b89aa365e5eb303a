"""Runs of a feature whose online values move a little from offline's, as those of a stream do, every day differently."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np

from feast_skew.report import iso
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
KEPT = 500


def profile(seed: int, *, n: int = 3_000, between: float = 0.0, shift: float = 0.0, scale: float = 1.0) -> Profile:
    """Give the kept states of one run: `between` is how much whole runs differ, `shift` and `scale` what skew does."""
    rng = np.random.default_rng(seed)
    offline = rng.gamma(2.0, 1.0, n)
    level = between * rng.standard_normal()
    online = scale * offline + 0.3 * rng.standard_normal(n) + level + shift
    online[rng.random(n) < 0.01] = np.nan
    pairs = NumberPairs.of(offline, online, rng.permutation(n).astype(np.uint64), offline == online)
    sample = draw_sample(pairs)
    return Profile.of(pairs, cut_bins(sample), sample).thinned(KEPT)


def at(day: int) -> str:
    return iso(START + timedelta(days=day))


def history(
    first: int, days: int, *, between: float = 0.0, skewed: dict[int, float] | None = None
) -> list[tuple[str, Profile]]:
    """Give runs of some days; `skewed` are shifts by day."""
    shifts = skewed or {}
    return [(at(day), profile(first + day, between=between, shift=shifts.get(day, 0.0))) for day in range(days)]
