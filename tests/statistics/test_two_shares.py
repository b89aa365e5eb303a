"""Fisher's exact test against scipy's, and how often two draws of one population differ by chance."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.rates import RateBounds, rate_bounds
from feast_skew.statistics.two_shares import rise_p_value


@st.composite
def count(draw: st.DrawFn) -> tuple[int, int]:
    checked = draw(st.integers(1, 5_000))
    return draw(st.integers(0, checked)), checked


@given(count(), count())
def test_as_scipy(before: tuple[int, int], now: tuple[int, int]) -> None:
    table = [[now[0], now[1] - now[0]], [before[0], before[1] - before[0]]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert rise_p_value(*before, *now) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_nothing_checked_says_nothing() -> None:
    assert rise_p_value(0, 0, 5, 5) == 1.0
    assert rise_p_value(5, 5, 0, 0) == 1.0


@pytest.mark.parametrize("counts", [(2, 1, 0, 0), (-1, 1, 0, 0), (0, 0, 3, 2)])
def test_no_counts(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="is no count"):
        rise_p_value(*counts)


def test_two_hundred_old_failures_seldom_look_worse_by_chance() -> None:
    """Disjoint bounds alone would call two of two hundred worse in each run; the test and its adjustment do not."""

    @cache
    def bounds(wrong: int) -> RateBounds:
        found = rate_bounds(wrong, n, 1_000_000, 0.95)
        assert found is not None
        return found

    random = np.random.default_rng(7)
    runs, features, n = 60, 200, 2_000
    disjoint = alarms = 0
    for _ in range(runs):
        shares = random.uniform(0.01, 0.9, features)
        counts = [(int(b), int(w)) for b, w in zip(*random.binomial(n, shares, (2, features)), strict=True)]
        adjusted = benjamini_hochberg([rise_p_value(before, n, now, n) for before, now in counts])
        apart = [bounds(now).low > bounds(before).high for before, now in counts]
        disjoint += sum(apart)
        alarms += any(a and p <= 0.05 for a, p in zip(apart, adjusted, strict=True))
    print(f"{disjoint / runs:.2f} features of {features} have disjoint bounds, {alarms} of {runs} runs alarm")
    assert disjoint / runs > 1
    assert alarms <= 0.1 * runs
