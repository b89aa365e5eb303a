"""Every metric against an independent computation: plain loops with fractions, scipy, and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from feast_skew.statistics.metrics.base import Measured, Undefined, metrics
from feast_skew.statistics.pairs import CategoryPairs, NumberPairs, Pairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
from feast_skew.statistics.psi import independent_psi
from feast_skew.statistics.summary import quantiles, summary

Column = list[float | None]
Oracle = Callable[[Column, Column, np.ndarray], float]


def profile(pairs: Pairs) -> Profile:
    sample = draw_sample(pairs)
    return Profile.of(pairs, cut_bins(sample), sample)


def shares(table: np.ndarray, smoothing: float) -> tuple[list[float], list[float]]:
    used = [i for i in range(len(table)) if table[i].sum() + table[:, i].sum() > 0]
    p = [float(table[i].sum()) + smoothing for i in used]
    q = [float(table[:, i].sum()) + smoothing for i in used]
    return [v / math.fsum(p) for v in p], [v / math.fsum(q) for v in q]


def psi(_offline: Column, _online: Column, table: np.ndarray) -> float:
    p, q = shares(table, 0.5)
    return math.fsum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def psi_by_power_divergence(table: np.ndarray) -> float:
    p, q = (np.array(side) for side in shares(table, 0.5))
    both = [stats.power_divergence(p, q, lambda_=which).statistic for which in (0, -1)]
    return float(sum(both)) / 2


def js(_offline: Column, _online: Column, table: np.ndarray) -> float:
    p, q = shares(table, 0.0)
    return float(jensenshannon(p, q, base=2)) ** 2


def l_infinity(_offline: Column, _online: Column, table: np.ndarray) -> float:
    return max(abs(a - b) for a, b in zip(*shares(table, 0.0), strict=True))


def homogeneity(_offline: Column, _online: Column, table: np.ndarray) -> float:
    change = (table.sum(axis=1) - table.sum(axis=0)).astype(float)
    covariance = -(table + table.T).astype(float)
    np.fill_diagonal(covariance, 0.0)
    np.fill_diagonal(covariance, -covariance.sum(axis=1))
    return float(change @ np.linalg.pinv(covariance, rcond=1e-9) @ change)


def known(side: Column) -> list[float]:
    return [v for v in side if v is not None]


def both(offline: Column, online: Column) -> tuple[list[Fraction], list[Fraction]]:
    rows = [(a, b) for a, b in zip(offline, online, strict=True) if a is not None and b is not None]
    return [Fraction(a) for a, _ in rows], [Fraction(b) for _, b in rows]


def variance(values: list[Fraction]) -> Fraction:
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((v - mean) ** 2 for v in values), Fraction(0)) / (len(values) - 1)


def mean_difference(offline: Column, online: Column, _table: np.ndarray) -> float:
    x, y = both(offline, online)
    return float((sum(y, Fraction(0)) - sum(x, Fraction(0))) / len(x))


def variance_ratio(offline: Column, online: Column, _table: np.ndarray) -> float:
    x, y = both(offline, online)
    return float(variance(y) / variance(x)) if len(x) > 1 and variance(x) else 1.0


def kolmogorov(offline: Column, online: Column, _table: np.ndarray) -> float:
    a, b = known(offline), known(online)
    return max(abs(sum(v <= t for v in a) / len(a) - sum(v <= t for v in b) / len(b)) for t in {*a, *b})


def null_rate(offline: Column, online: Column, _table: np.ndarray) -> float:
    return (online.count(None) - offline.count(None)) / len(offline)


def floats(offline: Column, online: Column) -> tuple[np.ndarray, np.ndarray]:
    x, y = both(offline, online)
    return np.array([float(v) for v in x]), np.array([float(v) for v in y])


ORACLES: dict[str, Oracle] = {
    "psi": psi,
    "jensen_shannon": js,
    "l_infinity": l_infinity,
    "kolmogorov_smirnov": kolmogorov,
    "wasserstein": lambda a, b, _: float(stats.wasserstein_distance(known(a), known(b))),
    "stuart_maxwell": homogeneity,
    "mean_difference": mean_difference,
    "variance_ratio": variance_ratio,
    "null_rate_difference": null_rate,
    "rmse": lambda a, b, _: math.sqrt(
        float(sum((y - x) ** 2 for x, y in zip(*both(a, b), strict=True)) / len(both(a, b)[0]))
    ),
    "largest_difference": lambda a, b, _: max(abs(float(y) - float(x)) for x, y in zip(*both(a, b), strict=True)),
    "correlation": lambda a, b, _: float(stats.pearsonr(*floats(a, b)).statistic),
    "slope": lambda a, b, _: float(stats.linregress(*floats(a, b)).slope),
}


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(metrics())


CELL = st.one_of(st.none(), st.integers(-20, 20).map(lambda v: v / 4), st.floats(-1e6, 1e6).map(lambda v: round(v, 3)))


@pytest.mark.parametrize("key", sorted(ORACLES))
@given(rows=st.lists(st.tuples(CELL, CELL, st.booleans()), min_size=4, max_size=60))
def test_the_value_is_the_oracles(key: str, rows: list[tuple[float | None, float | None, bool]]) -> None:
    """To 1e-12 of the value, or of the scale of the values where it is near 0."""
    offline = [row[0] for row in rows]
    online = [row[0] if row[2] else row[1] for row in rows]
    found = profile(NumberPairs.of(offline, online))
    outcome = metrics()[key].compute(found)
    if isinstance(outcome, Undefined):
        assert outcome.reason
        return
    x, y = both(offline, online)
    if key in ("correlation", "slope") and min(variance(x), variance(y)) < Fraction(1, 10**4):
        return  # scipy itself loses digits where a side hardly varies
    expected = ORACLES[key](offline, online, found.states["paired_bins"].table)  # type: ignore[attr-defined]
    scale = (
        1.0 if metrics()[key].unit != "unit of the feature" else max(1.0, *(abs(v) for v in known(offline + online)))
    )
    assert outcome.value == pytest.approx(
        expected, rel=1e-9 if key in ("slope", "stuart_maxwell") else 1e-12, abs=1e-12 * scale
    )


def test_psi_is_the_mean_of_two_divergences_of_scipy() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=3000)
    found = profile(NumberPairs.of(values, values + random.normal(0.1, 0.5, 3000)))
    outcome = metrics()["psi"].compute(found)
    assert isinstance(outcome, Measured)
    assert outcome.value == pytest.approx(psi_by_power_divergence(found.states["paired_bins"].table), rel=1e-12)  # type: ignore[attr-defined]


ANYTHING = st.one_of(
    st.none(), st.floats(allow_nan=False), st.sampled_from([1e308, -1e308, 5e-324, math.inf, -math.inf])
)


@pytest.mark.parametrize("key", sorted(metrics()))
@given(rows=st.lists(st.tuples(ANYTHING, ANYTHING), max_size=20))
def test_values_are_finite_and_in_their_range(key: str, rows: list[tuple[float | None, float | None]]) -> None:
    definition = metrics()[key]
    assert definition.unit
    assert definition.source
    assert definition.summary.endswith(".")
    outcome = definition.compute(profile(NumberPairs.of([r[0] for r in rows], [r[1] for r in rows])))
    if isinstance(outcome, Undefined):
        assert outcome.reason
        return
    assert math.isfinite(outcome.value)
    assert definition.span[0] - 1e-9 <= outcome.value <= definition.span[1] + 1e-9
    for name, value in outcome.extra.items():
        assert not isinstance(value, float) or math.isfinite(value), name


def test_without_an_entity_no_metric_has_a_value() -> None:
    for pairs in (NumberPairs.of([], []), CategoryPairs.of([], [])):
        found = profile(pairs)
        for definition in metrics().values():
            if definition.fits(found):
                assert isinstance(definition.compute(found), Undefined), definition.key


# Closed forms: Jeffreys' divergence of normals, by deciles and as it is.
NORMAL = NormalDist()
DECILES = [NORMAL.inv_cdf(i / 10) for i in range(1, 10)]


def decile_shares(mean: float, sd: float) -> np.ndarray:
    ends = [-math.inf, *DECILES, math.inf]
    other = NormalDist(mean, sd)
    return np.array([other.cdf(b) - other.cdf(a) for a, b in pairwise(ends)])


@pytest.mark.parametrize(
    ("mean", "ratio", "expected"),
    [
        (0.1, 1, 0.0096), (0.2, 1, 0.0383), (0.3, 1, 0.0861), (0.5, 1, 0.2377),
        (0, 1.3, 0.0229), (0, 1.86, 0.1185), (0, 2.5, 0.2409), (0, 4.286, 0.5315),
    ],
)  # fmt: skip
def test_decile_psi_of_normals(mean: float, ratio: float, expected: float) -> None:
    """By the shares themselves, and by a profile of 200,000 quantiles of both laws."""
    p, q = np.full(10, 0.1), decile_shares(mean, math.sqrt(ratio))
    assert float(np.sum((p - q) * np.log(p / q))) == pytest.approx(expected, abs=6e-5)
    n = 200_000
    grid = (np.arange(n) + 0.5) / n
    offline = stats.norm.ppf(grid)
    shuffled = np.random.default_rng(0).permutation(n)
    outcome = metrics()["psi"].compute(
        profile(NumberPairs.of(offline[shuffled], (mean + math.sqrt(ratio) * offline)[shuffled]))
    )
    assert isinstance(outcome, Measured)
    # Bins are cut from 10,000 of the rows, whose deciles lie a little beside.
    assert outcome.value == pytest.approx(expected, rel=0.04, abs=2e-4)


def test_published_numbers() -> None:
    """deequ's KLLDistanceTest and feature-engine's example, both without smoothing."""
    expected = [428, 425, 414, 427, 440, 447, 380, 386, 444, 386]
    actual = [426, 437, 429, 391, 469, 433, 360, 443, 371, 418]
    found = independent_psi(expected, actual, smoothing=0)
    assert found is not None
    assert found.value == pytest.approx(0.007406694184014186, rel=1e-12)
    # 1 to 6 five times, split in half: six categories, each 3 against 2 or 2 against 3.
    categories = independent_psi([3, 3, 3, 2, 2, 2], [2, 2, 2, 3, 3, 3], smoothing=0)
    assert categories is not None
    assert categories.value == pytest.approx(0.1621860432432658, rel=1e-12)
    half = independent_psi(expected, actual)
    assert half is not None
    assert half.value == pytest.approx(found.value, rel=5e-3)
    # N(0, 1) against N(1, 1) with 100 rows: the truth is 1, and a library that floors empty bins at 2e-308 says 134.95.
    random = np.random.RandomState(31)
    one, other = random.normal(0, 1, 100), random.normal(1, 1, 100)
    outcome = metrics()["psi"].compute(profile(NumberPairs.of(one, other)))
    assert isinstance(outcome, Measured)
    assert 0.5 < outcome.value < 2.5


def test_shifts_scales_and_concordance_have_their_closed_forms() -> None:
    values = np.random.default_rng(0).normal(3, 2, 4000)
    shifted = profile(NumberPairs.of(values, values + 0.5))
    found = {key: one.compute(shifted) for key, one in metrics().items()}
    assert all(isinstance(outcome, Measured) for outcome in found.values())
    numbers = {key: outcome.value for key, outcome in found.items() if isinstance(outcome, Measured)}
    assert numbers["wasserstein"] == pytest.approx(0.5, rel=1e-12)
    assert numbers["mean_difference"] == pytest.approx(0.5, rel=1e-12)
    assert numbers["rmse"] == pytest.approx(0.5, rel=1e-12)
    assert numbers["slope"] == pytest.approx(1.0, rel=1e-12)
    outcome = metrics()["correlation"].compute(shifted)
    assert isinstance(outcome, Measured)
    spread = float(np.var(values))
    assert outcome.extra["concordance"] == pytest.approx(2 * spread / (2 * spread + 0.25), rel=1e-9)
    parts = metrics()["rmse"].compute(shifted)
    assert isinstance(parts, Measured)
    assert parts.extra["bias_share"] == pytest.approx(1.0)
    assert sum(parts.extra[name] for name in ("bias_share", "scale_share", "noise_share")) == pytest.approx(1.0)


def test_both_sides_by_themselves() -> None:
    offline: Column = [1.0, 2.0, 2.0, None, 5.0]
    online: Column = [1.0, None, 2.0, 3.0, math.inf]
    found = profile(NumberPairs.of(offline, online))
    sides = summary(found)
    assert sides["offline"] == {"n": 4, "null_rate": pytest.approx(0.2), "distinct": 3, "mean": 2.5, "sd": pytest.approx(np.std([1, 2, 2, 5], ddof=1)), "min": 1.0, "max": 5.0, "infinite": 0}  # fmt: skip
    assert (sides["online"]["mean"], sides["online"]["max"], sides["online"]["infinite"]) == (2.0, "inf", 1)
    assert quantiles(found)["offline"]["p50"] == 2.0
    assert set(quantiles(found)["difference"].values()) == {0.0}


def test_large_integers_keep_their_last_digit() -> None:
    """2^60 and 2^60 + 1 are one double; their difference is 1."""
    base = float(2**60)
    pairs = NumberPairs.of([base] * 4, [base] * 4)
    moved = NumberPairs(
        pairs.order, pairs.same, pairs.offline, pairs.online, pairs.known_offline, pairs.known_online, None, np.ones(4)
    )
    outcome = metrics()["mean_difference"].compute(profile(moved))
    assert isinstance(outcome, Measured)
    assert outcome.value == 1.0
