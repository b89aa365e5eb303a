"""Exact rates against plain counting of samples, scipy, and exact fractions."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, hypergeom

from feast_skew.statistics._hypergeometric import tail_above, tail_below
from feast_skew.statistics.rates import (
    allowed_wrong,
    exceeds_p_value,
    rate_bounds,
    sample_to_decide,
)


def exact_above(x, population, marked, drawn):
    """P(X >= x) as a fraction, by counting samples."""
    ways = sum(comb(marked, i) * comb(population - marked, drawn - i) for i in range(max(x, 0), min(marked, drawn) + 1))
    return Fraction(ways, comb(population, drawn))


@pytest.mark.parametrize("population", [1, 2, 3, 7, 16, 21])
def test_tails_equal_counting_all_samples(population):
    for marked in range(population + 1):
        for drawn in range(population + 1):
            for x in range(-1, drawn + 2):
                exact = exact_above(x, population, marked, drawn)
                close = pytest.approx(float(exact), rel=1e-12, abs=0)
                assert tail_above(x, population, marked, drawn) == close
                assert tail_below(x - 1, population, marked, drawn) == pytest.approx(
                    float(1 - exact), rel=1e-11, abs=1e-15
                )


@pytest.mark.parametrize(
    ("x", "population", "marked", "drawn"),
    [
        (5, 100_000, 100, 5_000),
        (30, 100_000, 100, 5_000),
        (0, 10**6, 40, 2_000),
        (9, 10**6, 10**3, 2_000),
    ],
)
def test_tails_keep_their_digits_in_large_populations(x, population, marked, drawn):
    exact = exact_above(x, population, marked, drawn)
    assert tail_above(x, population, marked, drawn) == pytest.approx(float(exact), rel=1e-10)
    assert tail_below(x, population, marked, drawn) == pytest.approx(
        float(1 - exact_above(x + 1, population, marked, drawn)), rel=1e-10
    )


def test_tails_agree_with_scipy_at_a_hundred_million():
    for x in (9_700, 9_990, 10_000, 10_300):
        args = (10**8, 100_000, 10**7)
        assert tail_above(x, *args) == pytest.approx(hypergeom.sf(x - 1, *args), rel=1e-5)
        assert tail_below(x, *args) == pytest.approx(hypergeom.cdf(x, *args), rel=1e-5)


def brute_bounds(wrong, checked, population, alpha):
    fits = range(wrong, population - (checked - wrong) + 1)
    above = [k for k in fits if exact_above(wrong, population, k, checked) > alpha]
    below = [k for k in fits if 1 - exact_above(wrong + 1, population, k, checked) > alpha]
    return min(above) / population, max(below) / population


@pytest.mark.parametrize("confidence", [0.55, 0.91, 0.95, 0.999])
@pytest.mark.parametrize("population", [1, 2, 5, 12, 17])
def test_bounds_equal_brute_force_and_hold_the_value(population, confidence):
    alpha = Fraction(1.0 - confidence)
    for checked in range(1, population + 1):
        for wrong in range(checked + 1):
            found = rate_bounds(wrong, checked, population, confidence)
            low, high = brute_bounds(wrong, checked, population, alpha)
            value = wrong / checked
            assert (found.low, found.high) == (min(low, value), max(high, value))


def test_bounds_cover_at_least_as_often_as_they_say():
    population, checked, confidence = 60, 20, 0.9
    bounds = [rate_bounds(w, checked, population, confidence) for w in range(checked + 1)]
    for truth in range(population + 1):
        chances = hypergeom.pmf(range(checked + 1), population, truth, checked)
        for side in ("low", "high"):
            misses = sum(
                p
                for p, b in zip(chances, bounds, strict=True)
                if (b.low > truth / population if side == "low" else b.high < truth / population)
            )
            assert misses <= 1 - confidence + 1e-9


def test_edges_of_the_bounds():
    assert rate_bounds(0, 0, 10, 0.95) is None
    assert rate_bounds(0, 0, 0, 0.95) is None
    census = rate_bounds(3, 10, 10, 0.95)
    assert (census.value, census.low, census.high) == (0.3, 0.3, 0.3)
    assert rate_bounds(0, 5, 100, 0.95).low == 0.0
    assert rate_bounds(5, 5, 100, 0.95).high == 1.0


def test_a_tiny_sample_of_a_huge_population_is_clopper_pearson():
    found = rate_bounds(7, 300, 10**8, 0.95)
    assert found.low == pytest.approx(beta.ppf(0.05, 7, 294), rel=1e-4)
    assert found.high == pytest.approx(beta.ppf(0.95, 8, 293), rel=1e-4)


def test_the_largest_supported_sizes_are_quick_and_sane():
    found = rate_bounds(10_000, 10**7, 10**8, 0.95)
    half = 1.6449 * (1e-3 * 0.999 / 10**7 * 0.9) ** 0.5
    assert found.high - found.value == pytest.approx(half, rel=0.02)
    assert found.value - found.low == pytest.approx(half, rel=0.02)


@pytest.mark.parametrize(
    ("budget", "population", "allowed"),
    [(0.001, 3000, 3), (0.29, 100, 29), (0.07, 100, 7), (0.001, 2999, 2), (0, 9, 0), (1, 9, 9)],
)
def test_a_budget_is_the_decimal_that_it_is_written_as(budget, population, allowed):
    assert allowed_wrong(budget, population) == allowed


def test_p_value_is_the_tail_at_the_edge_of_the_budget():
    assert exceeds_p_value(4, 500, 3000, 0.001) == 0.0
    assert exceeds_p_value(2, 500, 3000, 0.001) == pytest.approx(hypergeom.sf(1, 3000, 3, 500))
    assert exceeds_p_value(0, 0, 3000, 0.001) == 1.0
    assert exceeds_p_value(3, 3000, 3000, 0.001) == 1.0
    assert exceeds_p_value(4, 3000, 3000, 0.001) == 0.0


@st.composite
def samples(draw, largest=400):
    population = draw(st.integers(1, largest))
    checked = draw(st.integers(1, population))
    return draw(st.integers(0, checked)), checked, population


BUDGETS = st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0])
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.95, 0.99])


@given(samples(), BUDGETS, CONFIDENCES)
def test_fail_and_pass_never_hold_both_and_a_census_decides(sample, budget, confidence):
    wrong, checked, population = sample
    bounds = rate_bounds(*sample, confidence)
    fails = exceeds_p_value(*sample, budget) <= 1 - confidence
    passes = bounds.high <= budget
    assert not (fails and passes)
    if confidence >= 0.95:
        assert fails == (bounds.low > allowed_wrong(budget, population) / population)
    if checked == population:
        assert fails != passes
        assert passes == (wrong <= allowed_wrong(budget, population))


def decided(n, wrong, checked, population, budget, confidence):
    """Would a sample of n decide, the observed share rounded against the decision?"""
    rate = Fraction(wrong, checked) if checked else Fraction(0)
    if n == population:
        return True
    if rate * population <= allowed_wrong(budget, population):
        bound = rate_bounds(-(-rate * n // 1).__int__(), n, population, confidence)
        return bound.high <= budget
    return exceeds_p_value(int(rate * n), n, population, budget) <= 1 - confidence


@given(samples(150), BUDGETS, CONFIDENCES)
def test_sample_to_decide_is_the_first_sample_that_decides(sample, budget, confidence):
    wrong, checked, population = sample
    found = sample_to_decide(*sample, budget, confidence)
    if checked == population:
        assert found is None
        return
    first = next(n for n in range(checked + 1, population + 1) if decided(n, *sample, budget, confidence))
    assert first <= found <= population
    assert decided(found, *sample, budget, confidence)
    if wrong == 0:
        assert found == first
    elif found > first:  # whole numbers make the need a sawtooth: at most a few teeth apart
        assert found - first <= 3 * checked / wrong + 1


def test_sample_to_decide_is_the_rule_of_three_when_nothing_is_wrong():
    assert sample_to_decide(0, 100, 10**8, 0.001, 0.95) == 2995
    assert sample_to_decide(0, 0, 10**8, 0.001, 0.95) == 2995
    assert sample_to_decide(0, 10, 2000, 0.0, 0.95) == 1900
    assert sample_to_decide(0, 0, 0, 0.001, 0.95) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_bounds(3, 2, 10, 0.95), "wrong <= checked"),
        (lambda: rate_bounds(1, 11, 10, 0.95), "wrong <= checked"),
        (lambda: rate_bounds(-1, 2, 10, 0.95), "wrong <= checked"),
        (lambda: rate_bounds(1, 2, 10, 1.0), "confidence"),
        (lambda: rate_bounds(1, 2, 10, 0.4), "confidence"),
        (lambda: exceeds_p_value(1, 2, 10, 1.5), "budget"),
        (lambda: exceeds_p_value(1, 2, 10, float("nan")), "budget"),
        (lambda: sample_to_decide(1, 2, 10, -0.1, 0.95), "budget"),
        (lambda: allowed_wrong(0.5, -1), "population"),
    ],
)
def test_contradictions_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
