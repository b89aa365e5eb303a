"""Tests under exchange of the sides: against all flips of a coin, scipy and statsmodels."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable

from feast_skew.statistics.inference.exchange import BENTKUS, exchange_p_value, null_rate_p_value, variance_p_value
from feast_skew.statistics.inference.homogeneity import stuart_maxwell
from feast_skew.statistics.inference.randomised import _psi_tail, psi_of_margins, psi_p_value
from feast_skew.statistics.psi import psi_of_table

TERMS = st.lists(st.one_of(st.just(0.0), st.floats(-1e3, 1e3).map(lambda v: round(v, 2))), min_size=1, max_size=10)


@given(TERMS)
def test_the_bound_is_never_below_the_chance_of_all_flips(terms: list[float]) -> None:
    observed = abs(math.fsum(terms))
    signs = itertools.product((-1, 1), repeat=len(terms))
    sums = [abs(math.fsum(s * t for s, t in zip(flip, terms, strict=True))) for flip in signs]
    exact = sum(total >= observed * (1 - 1e-12) for total in sums) / len(sums)
    squares = math.fsum(t * t for t in terms)
    assert exchange_p_value(math.fsum(terms), squares) >= exact - 1e-12


def test_the_bound_is_the_normal_tail_times_its_constant() -> None:
    assert pytest.approx(1 / (4 * stats.norm.sf(math.sqrt(2))), rel=1e-12) == BENTKUS
    assert exchange_p_value(30.0, 100.0) == pytest.approx(2 * BENTKUS * stats.norm.sf(3.0), rel=1e-12)
    huge = Fraction(10) ** 400
    assert exchange_p_value(3 * huge, huge * huge) == pytest.approx(2 * BENTKUS * stats.norm.sf(3.0), rel=1e-12)
    assert exchange_p_value(0.0, 0.0) == 1.0
    with pytest.raises(ValueError, match="no sum"):
        exchange_p_value(1.0, 0.0)


def test_variances_that_differ_are_seen_and_exchanged_ones_are_not() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=2000)
    assert (variance_p_value(x, x * 1.3 + random.normal(size=2000) / 10) or 1.0) < 1e-6
    assert variance_p_value(x, x) == 1.0
    assert variance_p_value(x[:1], x[:1]) is None
    assert variance_p_value(np.array([1e308, -1e308, 0.0]), np.array([-1e308, 1e308, 0.0])) == pytest.approx(1.0)
    swapped = random.random(2000) < 0.5
    y = x + random.normal(size=2000)
    one, other = np.where(swapped, y, x), np.where(swapped, x, y)
    assert variance_p_value(one, other) == pytest.approx(variance_p_value(other, one))


@given(st.integers(0, 60), st.integers(0, 60))
def test_null_rates_by_mcnemar(more: int, fewer: int) -> None:
    expected = stats.binomtest(more, more + fewer, 0.5).pvalue if more + fewer else 1.0
    assert null_rate_p_value(more, fewer) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.lists(st.integers(3, 40), min_size=4, max_size=4), min_size=4, max_size=4))
def test_stuart_maxwell_is_that_of_statsmodels(rows: list[list[int]]) -> None:
    table = np.array(rows)
    found = stuart_maxwell(table)
    oracle = SquareTable(table.astype(float), shift_zeros=False).homogeneity(method="stuart_maxwell")
    assert found is not None
    assert found.degrees == 3
    assert found.statistic == pytest.approx(float(oracle.statistic), rel=1e-8, abs=1e-9)
    assert found.p_value == pytest.approx(float(oracle.pvalue), rel=1e-7, abs=1e-12)


def test_stuart_maxwell_where_nobody_or_few_move() -> None:
    assert stuart_maxwell(np.zeros((3, 3))) is None
    still = stuart_maxwell(np.diag([5, 3, 0]))
    assert still is not None
    assert (still.statistic, still.p_value) == (0.0, 1.0)
    few = stuart_maxwell(np.array([[9, 2], [1, 9]]))
    assert few is not None
    assert few.p_value is None
    assert "too few" in few.reason
    apart = stuart_maxwell(np.block([[np.full((2, 2), 20), np.zeros((2, 2))], [np.zeros((2, 2)), np.full((2, 2), 30)]]))
    assert apart is not None
    assert apart.degrees == 2


def test_psi_is_drawn_as_all_flips_would_give_it() -> None:
    """Nine entities move between three bins: 2^9 flips, each counted."""
    table = np.array([[50, 5, 1], [0, 40, 2], [1, 0, 30]])
    movers = [(i, j) for i in range(3) for j in range(3) if i != j for _ in range(table[i, j])]
    observed = psi_of_table(table)
    assert observed is not None
    hits = 0
    for flip in itertools.product((False, True), repeat=len(movers)):
        other = np.diag(np.diag(table)).copy()
        for turned, (i, j) in zip(flip, movers, strict=True):
            other[(j, i) if turned else (i, j)] += 1
        one = psi_of_table(other)
        assert one is not None
        hits += one.value >= observed.value * (1 - 1e-9)
    exact = hits / 2 ** len(movers)
    assert psi_p_value(table, seed=0, draws=20_000) == pytest.approx(exact, abs=0.01)
    assert psi_p_value(np.diag([5, 5]), seed=0) == 1.0
    assert psi_p_value(np.zeros((2, 2)), seed=0) is None
    margins = psi_of_margins(table.sum(axis=1)[None, :].astype(float), table.sum(axis=0)[None, :].astype(float))
    assert margins[0] == pytest.approx(observed.value, rel=1e-12)
    far = psi_p_value(np.array([[5000, 900], [0, 5000]]), seed=0)
    assert far is not None
    assert far < 1e-20


@given(st.integers(1, 80), st.integers(0, 60), st.integers(0, 20_000), st.data())
def test_the_tail_of_psi_is_never_below_the_exact_chance(
    movers: int, stay: int, others: int, data: st.DataObject
) -> None:
    """Two bins, one of them nearly empty: the chance is a sum of binomial terms, where a chi-square is off by orders of magnitude."""
    heads = data.draw(st.integers(0, movers))
    table = np.array([[others, heads], [movers - heads, stay]], dtype=np.float64)
    every = np.arange(movers + 1)
    offline = np.column_stack([others + every, movers - every + stay]).astype(np.float64)
    online = np.column_stack([others + movers - every, every + stay]).astype(np.float64)
    values = psi_of_margins(offline, online)
    least = values[heads] * (1 - 1e-9)
    exact = float(stats.binom.pmf(every, movers, 0.5)[values >= least].sum())
    assert exact * (1 - 1e-9) <= _psi_tail(table, least) <= min(1.0, 2 * exact) * (1 + 1e-9)


def test_a_chance_below_all_draws_is_the_bound_not_the_floor() -> None:
    """Forty entities left a bin that they had to themselves: 2^-39, and the draws alone would say 1 / 20,001."""
    found = psi_p_value(np.array([[10_000, 0], [40, 0]]), seed=0)
    assert found is not None
    assert 2.0**-39 * (1 - 1e-9) <= found <= 2.0**-37
