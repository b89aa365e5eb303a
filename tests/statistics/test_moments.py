"""Paired moments against fractions, scipy, statsmodels and inverted tests."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, ttest_rel
from statsmodels.stats.contingency_tables import mcnemar

from feast_skew.statistics.moments import null_rate_difference, paired_moments

PAIRS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=40)


def exact(values):
    numbers = [Fraction(v) for v in values]
    mean = sum(numbers) / len(numbers)
    variance = sum((v - mean) ** 2 for v in numbers) / max(1, len(numbers) - 1)
    return float(mean), math.sqrt(variance)


@given(PAIRS)
def test_means_and_spreads_equal_exact_arithmetic(pairs):
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    found = paired_moments(x, y, 0.95)
    mean_x, sd_x = exact(x)
    mean_y, sd_y = exact(y)
    mean_d = float(sum(Fraction(b) - Fraction(a) for a, b in pairs) / len(pairs))
    assert found.n == len(pairs)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert found.mean_offline == pytest.approx(mean_x, **close)
    assert found.mean_online == pytest.approx(mean_y, **close)
    assert found.sd_offline == pytest.approx(sd_x, rel=1e-9, abs=1e-9)
    assert found.sd_online == pytest.approx(sd_y, rel=1e-9, abs=1e-9)
    assert found.mean_difference == pytest.approx(mean_d, rel=1e-9, abs=1e-8)
    assert found.mean_difference_low <= found.mean_difference <= found.mean_difference_high
    if found.variance_ratio_low is not None:
        assert found.variance_ratio_low <= found.variance_ratio <= found.variance_ratio_high


def test_bounds_of_the_mean_are_the_paired_t_interval():
    rng = np.random.default_rng(3)
    x = rng.normal(10, 3, 25)
    y = x + rng.normal(0.4, 1, 25)
    found = paired_moments(x, y, 0.95)
    interval = ttest_rel(y, x).confidence_interval(0.90)
    assert found.mean_difference_low == pytest.approx(interval.low)
    assert found.mean_difference_high == pytest.approx(interval.high)
    assert found.standardized_difference == pytest.approx(np.mean(y - x) / np.std(x, ddof=1))


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.995])
def test_bounds_of_the_ratio_are_where_the_correlation_of_sum_and_difference_turns(confidence):
    rng = np.random.default_rng(4)
    x = rng.normal(0, 2, 40)
    y = 0.8 * x + rng.normal(0, 1.5, 40)
    found = paired_moments(x, y, confidence)
    for bound, side in ((found.variance_ratio_low, "greater"), (found.variance_ratio_high, "less")):
        k = math.sqrt(bound)
        p = pearsonr(y + k * x, y - k * x, alternative=side).pvalue
        assert p == pytest.approx(1 - confidence, rel=1e-6)


def test_coverage_of_the_bounds_of_the_ratio():
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(2000):
        x = rng.normal(size=30)
        y = 1.5 * (0.9 * x + math.sqrt(1 - 0.81) * rng.normal(size=30))
        found = paired_moments(x, y, 0.95)
        inside.append((found.variance_ratio_low <= 2.25, found.variance_ratio_high >= 2.25))
    assert np.mean(inside, axis=0) == pytest.approx([0.95, 0.95], abs=0.015)


def test_no_one_and_two_pairs():
    nothing = paired_moments(np.array([math.nan]), np.array([1.0]), 0.95)
    assert nothing.n == 0
    assert nothing.mean_offline is None
    one = paired_moments(np.array([2.0, math.inf]), np.array([5.0, 1.0]), 0.95)
    assert (one.n, one.mean_difference, one.sd_offline, one.mean_difference_low) == (
        1,
        3,
        None,
        None,
    )
    two = paired_moments(np.array([1.0, 3.0]), np.array([2.0, 6.0]), 0.95)
    assert two.variance_ratio == pytest.approx(4.0)
    assert two.variance_ratio_low is None
    assert two.mean_difference_low < 2 < two.mean_difference_high


def test_constants_have_no_spread_whatever_their_digits():
    constant, moving = np.full(7, 0.1), np.arange(7.0)
    found = paired_moments(constant, moving, 0.95)
    assert (found.sd_offline, found.variance_ratio, found.standardized_difference) == (
        0,
        None,
        None,
    )
    found = paired_moments(moving, constant, 0.95)
    assert (found.variance_ratio, found.variance_ratio_low) == (0, None)
    shifted = paired_moments(moving, moving + 5, 0.95)
    assert shifted.mean_difference_low == shifted.mean_difference_high == 5
    assert shifted.variance_ratio_low == pytest.approx(1)
    assert shifted.variance_ratio_high == pytest.approx(1)
    zeros = paired_moments(np.zeros(4), np.zeros(4), 0.95)
    assert (zeros.mean_difference, zeros.mean_difference_low, zeros.sd_online) == (0, 0, 0)


@given(st.integers(-1000, 900))
def test_size_and_offset_cost_no_digits(exponent):
    rng = np.random.default_rng(6)
    x, y = rng.normal(1, 1, 50), rng.normal(1, 2, 50)
    base = paired_moments(x, y, 0.95)
    scaled = paired_moments(np.ldexp(x, exponent), np.ldexp(y, exponent), 0.95)
    assert scaled.variance_ratio == pytest.approx(base.variance_ratio)
    assert scaled.standardized_difference == pytest.approx(base.standardized_difference)
    assert scaled.mean_difference == pytest.approx(math.ldexp(base.mean_difference, exponent))


def test_far_offsets_keep_the_variance():
    x = np.array([1e9 + d for d in (0.0, 1.0, 2.0, 3.0)])
    assert paired_moments(x, x, 0.95).sd_offline == pytest.approx(np.std([0, 1, 2, 3], ddof=1))


def test_the_ends_of_floating_point():
    huge = paired_moments(np.array([-1.7e308, -1.6e308]), np.array([1.7e308, 1.7e308]), 0.95)
    assert huge.mean_difference is None  # 3.4e308 cannot be held
    assert huge.mean_online == pytest.approx(1.7e308)
    tiny = paired_moments(np.array([5e-324, 1e-323, 0.0]), np.array([0.0, 5e-324, 1e-323]), 0.95)
    assert tiny.variance_ratio == pytest.approx(1)
    mixed = paired_moments(np.array([1e-300, 2e-300, 4e-300]), np.array([1e300, 2e300, 5e300]), 0.95)
    assert mixed.variance_ratio is None
    assert mixed.mean_difference == pytest.approx(8e300 / 3)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=12), st.sampled_from([0.5, 0.95]))
def test_nothing_undefined_ever_leaves(pairs, confidence):
    x = np.array([a for a, _ in pairs])
    y = np.array([b for _, b in pairs])
    found = paired_moments(x, y, confidence)
    assert all(v is None or math.isfinite(v) for v in vars(found).values())


def tango_statistic(n, more, fewer, delta):
    """Score statistic with the restricted likelihood maximised on a grid of exact steps."""
    both = n - more - fewer

    def log_likelihood(q):
        terms = ((more, q + delta), (fewer, q), (both, 1 - 2 * q - delta))
        return sum(k * math.log(p) if k else 0.0 for k, p in terms)

    low, high = max(0.0, -delta) + 1e-13, (1 - delta) / 2 - 1e-13
    for _ in range(300):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (a, high) if log_likelihood(a) < log_likelihood(b) else (low, b)
    q = (low + high) / 2
    return (more - fewer - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("n", "both", "off", "on"), [(100, 5, 3, 12), (50, 0, 6, 2), (400, 30, 20, 20)])
def test_bounds_of_the_null_rate_invert_the_score_test(n, both, off, on):
    found = null_rate_difference(n, both, off, on, 0.95)
    assert found.value == (on - off) / n
    assert (found.rate_offline, found.rate_online) == ((both + off) / n, (both + on) / n)
    assert tango_statistic(n, on, off, found.high) == pytest.approx(-1.6448536, abs=1e-4)
    assert tango_statistic(n, off, on, -found.low) == pytest.approx(-1.6448536, abs=1e-4)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_the_null_rates_differ_exactly_when_mcnemar_says_so(off, on, rest):
    n = off + on + rest
    found = null_rate_difference(n, 0, off, on, 0.975)
    if n == 0:
        assert found is None
        return
    assert -1 <= found.low <= found.value <= found.high <= 1
    if off + on:
        test = mcnemar([[0, off], [on, 0]], exact=False, correction=False)
        if abs(test.pvalue - 0.05) > 1e-6:
            assert (found.low > 0 or found.high < 0) == (test.pvalue < 0.05)


def test_no_discordant_entities_still_leave_room():
    found = null_rate_difference(1000, 20, 0, 0, 0.95)
    assert found.value == 0
    assert found.high == pytest.approx(-found.low)
    assert found.high == pytest.approx(1.6448536**2 / 1000, rel=0.01)


def test_bad_input_is_refused():
    for call in (
        lambda: paired_moments(np.zeros(2), np.zeros(3), 0.95),
        lambda: paired_moments(np.zeros(2), np.zeros(2), 1.0),
        lambda: null_rate_difference(3, 2, 1, 1, 0.95),
        lambda: null_rate_difference(3, -1, 1, 1, 0.95),
        lambda: null_rate_difference(3, 1, 1, 1, 1.0),
    ):
        with pytest.raises(ValueError, match=r"pairs need|confidence|do not fit"):
            call()
