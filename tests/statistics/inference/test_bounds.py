"""Bounds: what they are after a census, for identical pairs, at the ends of floating point, and how often they hold."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.statistics.inference.bounds import mean_bounds, null_rate_bounds, psi_bounds, variance_ratio_bounds
from feast_skew.statistics.rates import rate_bounds

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "coverage.py"
VALUES = st.lists(
    st.one_of(st.just(0.0), st.floats(-1e6, 1e6), st.sampled_from([1e308, -1e308, 5e-324])), min_size=1, max_size=30
)


@given(values=VALUES, more=st.integers(0, 1000), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_bounds_of_a_mean_hold_it_and_are_numbers(values: list[float], more: int, confidence: float) -> None:
    column = np.array(values)
    mean = math.fsum(v / len(values) for v in values)
    span = min(2.0 * float(np.abs(column).max()), 1.7e308)
    n = len(values)
    known: dict[str, Any] = {"differing": int(np.count_nonzero(column)), "span": span}
    found = mean_bounds(column, mean, n, confidence, n + more, **known)
    assert found is not None
    assert found.low <= mean <= found.high
    assert not math.isnan(found.low)
    if not more:
        assert (found.low, found.high, found.method) == (mean, mean, "census")


def test_bounds_widen_with_the_confidence() -> None:
    values = np.random.default_rng(0).exponential(size=500)
    mean = float(values.mean())
    widths = [
        found.high - found.low
        for level in (0.8, 0.95, 0.99)
        if (found := mean_bounds(values, mean, 500, level, 10**6, differing=500, span=20.0)) is not None
    ]
    assert len(widths) == 3
    assert widths == sorted(widths)


def test_identical_pairs_leave_room_for_the_unseen() -> None:
    """None of 1,000 differs: at most a share that the rule of three gives, by the range of the values at most."""
    found = mean_bounds(np.zeros(1000), 0.0, 1000, 0.95, 10**6, differing=0, span=7.0)
    share = rate_bounds(0, 1000, 10**6, 1 - 0.9 * 0.05)
    assert found is not None
    assert share is not None
    assert (found.low, found.high, found.method) == (
        pytest.approx(-7 * share.high),
        pytest.approx(7 * share.high),
        "range",
    )
    values = np.random.default_rng(0).normal(size=1000)
    ratio = variance_ratio_bounds(values, values, 1.0, 1000, 0.95, 10**6, differing=0, span=7.0)
    assert ratio is not None
    assert ratio.method == "range"
    assert ratio.low < 1.0 < ratio.high < 1.25


def test_an_offset_in_every_pair_leaves_room_for_the_unseen() -> None:
    """Pairs that all differ by 5 say as little of those that were not read as pairs that are all equal."""
    found = mean_bounds(np.full(1000, 5.0), 5.0, 1000, 0.95, 10**6, differing=1000, span=7.0)
    share = rate_bounds(0, 1000, 10**6, 1 - 0.9 * 0.05)
    assert found is not None
    assert share is not None
    assert found.high - 5.0 == pytest.approx(5.0 - found.low) == pytest.approx(12 * share.high)
    column = np.full(1000, 5.0)
    column[:2] = 6.0  # two others do not hide what most differ by
    other = mean_bounds(column, float(column.mean()), 1000, 0.95, 10**6, differing=1000, span=7.0)
    assert other is not None
    assert 4.9 < other.low < other.high < 5.1


def test_a_scale_in_every_pair_leaves_room_for_the_unseen() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    for factor in (3.0, 1.0 / 3.0):
        found = variance_ratio_bounds(
            values, values * factor, factor**2, 2000, 0.95, 10**6, differing=2000, span=8 * max(1.0, factor)
        )
        assert found is not None
        assert found.method == "range"
        assert 0.8 < found.low / factor**2 < 1.0 < found.high / factor**2 < 1.25
        assert found.low / factor**2 == pytest.approx(factor**2 / found.high)


def test_few_pairs_of_one_scale_promise_little() -> None:
    """Of 40 pairs at 99 %, so many may be different that no scale is sure; rounding is no spread."""
    values = np.random.default_rng(0).normal(size=40)
    found = variance_ratio_bounds(values, values + 5, 1.0, 40, 0.99, 10**6, differing=40, span=12.0)
    assert found is not None
    assert found.method == "range"
    assert found.low == 0.0
    assert found.high > 10.0


@pytest.mark.parametrize("unread", [1, 5, 50, 9000])
@pytest.mark.parametrize("law", ["one in ten", "exponential", "nearly all five"])
def test_means_hold_however_many_were_not_read(law: str, unread: int) -> None:
    """A single unread entity is not normal, and a sample without an exception may have missed those that there are."""
    random, runs, wrong = np.random.default_rng(9), 600, np.zeros(2)
    draw = {
        "one in ten": lambda size: 1.0 * (random.random(size) < 0.1),
        "exponential": lambda size: random.exponential(size=size),
        "nearly all five": lambda size: 5.0 + random.exponential(size=size) * (random.random(size) < 0.001),
    }[law]
    for _ in range(runs):
        whole = draw(1000 + unread)
        part, truth = whole[:1000], float(whole.mean())
        known: dict[str, Any] = {"differing": int(np.count_nonzero(part)), "span": 20.0}
        found = mean_bounds(part, float(part.mean()), 1000, 0.95, 1000 + unread, **known)
        assert found is not None
        wrong += [found.low > truth + 1e-12, found.high < truth - 1e-12]
    # 3.5 standard errors above 0.055: exact bounds are not missed by luck, and 10 % would not pass.
    assert wrong.max() / runs <= 0.055 + 3.5 * math.sqrt(0.055 * 0.945 / runs)


def test_what_has_no_bounds() -> None:
    ones = np.ones(5)
    assert mean_bounds(np.zeros(0), 0.0, 0, 0.95, 10, differing=0, span=1.0) is None
    assert mean_bounds(np.zeros(5), 0.0, 5, 0.95, 10, differing=0, span=math.inf) is None
    assert variance_ratio_bounds(ones, ones, 0.0, 5, 0.95, 10, differing=0, span=1.0) is None
    assert variance_ratio_bounds(ones, ones, 1.0, 5, 0.95, 10, differing=0, span=1.0) is None
    assert null_rate_bounds(0, 0, 0, 0.95, 10) is None
    assert psi_bounds(np.zeros((2, 2)), 0.95, 10) is None


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 500))
def test_null_rates_are_within_their_bounds(more: int, fewer: int, rest: int) -> None:
    n = 100
    found = null_rate_bounds(n, fewer, more, 0.95, n + rest)
    assert found is not None
    assert -1.0 <= found.low <= (more - fewer) / n <= found.high <= 1.0
    assert rest or found.low == found.high


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=3, max_size=3), st.integers(0, 1000))
def test_psi_is_within_its_bounds(rows: list[list[int]], rest: int) -> None:
    table = np.array(rows)
    found = psi_bounds(table, 0.95, int(table.sum()) + rest)
    assert (found is None) == (table.sum() == 0)
    if found is not None:
        assert 0.0 <= found.low <= found.high < math.inf
        assert rest or found.low == found.high


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("law", ["normal", "lognormal", "99 % zeros, exponential"])
def test_bounds_hold_as_often_as_they_say(simulation: ModuleType, law: str) -> None:
    """A part of the simulation of docs/coverage.md: nothing is short of 94.5 % beyond doubt."""
    for row in simulation.coverages(np.random.default_rng(5), {200: 500}, {law: simulation.LAWS[law]}):
        assert not [cell for cell in row if cell.endswith("*")], row


def test_tests_reject_no_more_often_than_they_say(simulation: ModuleType) -> None:
    random, rejected = np.random.default_rng(6), np.zeros(2)
    for _ in range(400):
        x, y = simulation.exchangeable(random, simulation.NOISE["Cauchy"], 200)
        d = y - x
        rejected += [simulation.exchange_p_value(d.sum(), d @ d) <= 0.05, simulation.variance_p_value(x, y) <= 0.05]
    assert rejected.max() / 400 <= 0.05


def test_the_documents_tables_are_filled_and_no_cell_is_short() -> None:
    """What `make coverage` wrote: a star would mark a bound that does not keep its promise."""
    text = (SCRIPT.parents[1] / "docs" / "coverage.md").read_text()
    for name in ("sizes", "bounds", "outside", "others", "rates", "alarms", "power", "psi"):
        table = text.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]
        assert table.count("\n") > 2, name
        assert name == "outside" or " *" not in table, name
