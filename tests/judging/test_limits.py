"""Shares against budgets: the verdict table, and how 300 features share one level of false alarms."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from feast_skew.judging import limits
from feast_skew.judging.limits import Share, settle
from feast_skew.report import Metric, Verdict

CONFIDENCE = 0.95


def judge(*shares: Share | None, confidence: float = CONFIDENCE) -> list[Metric]:
    return [metric for metric in settle(shares, confidence) if metric is not None]


@pytest.mark.parametrize(
    ("wrong", "checked", "population", "budget", "verdict"),
    [
        # All were read: the share is exact.
        (0, 10, 10, 0.0, "pass"),
        (1, 10, 10, 0.0, "fail"),
        (1, 1000, 1000, 0.001, "pass"),
        (2, 1000, 1000, 0.001, "fail"),
        (29, 100, 100, 0.29, "pass"),
        (30, 100, 100, 0.29, "fail"),
        (0, 1, 1, 0.001, "pass"),
        (1, 1, 1, 1.0, "pass"),
        # Rule of three: 3 / 0.001 clean ones pass, fewer cannot.
        (0, 2995, 10**7, 0.001, "pass"),
        (0, 2990, 10**7, 0.001, "inconclusive"),
        (0, 100, 10**7, 0.001, "inconclusive"),
        # One wrong one against a budget of nothing is proof.
        (1, 100, 10**7, 0.0, "fail"),
        (0, 9_000_000, 10**7, 0.0, "inconclusive"),
        (0, 9_600_000, 10**7, 0.0, "pass"),
        # Poisson with mean 10: P(>= 16) = 0.049, P(>= 15) = 0.083; P(<= 4) = 0.029, P(<= 5) = 0.067.
        (16, 10_000, 10**9, 0.001, "fail"),
        (15, 10_000, 10**9, 0.001, "inconclusive"),
        (5, 10_000, 10**9, 0.001, "inconclusive"),
        (4, 10_000, 10**9, 0.001, "pass"),
        (0, 0, 100, 0.001, "inconclusive"),
        (0, 0, 0, 0.001, "inconclusive"),
    ],
)
def test_the_verdict_of_one_share(wrong: int, checked: int, population: int, budget: float, verdict: str) -> None:
    (metric,) = judge(Share(wrong, checked, population, budget))
    assert metric.verdict.value == verdict
    assert Share(wrong, checked, population, budget).decided(CONFIDENCE) == (verdict in ("pass", "fail"))
    assert metric.limit == budget
    if not checked:
        assert metric.value is None
        return
    assert metric.value == wrong / checked
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low <= metric.value <= metric.high
    if checked == population:
        assert metric.low == metric.value == metric.high
    needed = metric.extra["needed"]
    assert (needed is not None) == (verdict == "inconclusive")


@st.composite
def share(draw: st.DrawFn, most: int = 400) -> Share:
    population = draw(st.integers(1, most))
    checked = draw(st.integers(1, population))
    wrong = draw(st.one_of(st.integers(0, checked), st.just(0), st.just(min(1, checked))))
    return Share(wrong, checked, population, draw(st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.3, 1.0])))


@given(share(), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_verdict_is_what_the_hypergeometric_says(given_share: Share, confidence: float) -> None:
    """Alone, without adjustment: fail on too many to be within the budget, pass on too few to be beyond it."""
    wrong, checked, population = given_share.wrong, given_share.checked, given_share.population
    allowed = int(round(given_share.budget * population, 9))
    p_value = hypergeom.sf(wrong - 1, population, allowed, checked)
    beyond = hypergeom.cdf(wrong, population, allowed + 1, checked) if allowed < population else 0.0
    alpha = 1 - confidence
    if min(abs(p_value - alpha), abs(beyond - alpha)) < 1e-9:
        return
    expected = "fail" if p_value <= alpha else "pass" if beyond <= alpha else "inconclusive"
    (metric,) = judge(given_share, confidence=confidence)
    assert metric.verdict.value == expected


@given(share(most=120))
def test_the_needed_sample_really_decides(given_share: Share) -> None:
    """With the observed share of wrong ones, rounded against the decision."""
    (metric,) = judge(given_share)
    if metric.verdict is not Verdict.INCONCLUSIVE:
        return
    wrong, checked, population, budget = (
        given_share.wrong,
        given_share.checked,
        given_share.population,
        given_share.budget,
    )
    needed = metric.extra["needed"]
    assert checked < needed <= population
    allowed = int(round(budget * population, 9))
    within = wrong * population <= allowed * checked
    wanted = Verdict.PASS if within else Verdict.FAIL

    def decided(size: int) -> bool:
        expected = -(-wrong * size // checked) if within else wrong * size // checked
        return judge(Share(min(expected, size), size, population, budget))[0].verdict is wanted

    assert needed == population or decided(needed)
    assert not any(decided(size) for size in range(checked + 1, needed))


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of features have few different counts."""
    for name in ("rate_bounds", "exceeds_p_value", "sample_to_decide"):
        monkeypatch.setattr(limits, name, functools.cache(getattr(limits, name)))


@pytest.mark.usefixtures("remembering")
def test_three_hundred_clean_features_never_alarm() -> None:
    """True shares at half the budget, so that many features have a wrong one or two: none is called skewed in 20 runs."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(20):
        wrong = rng.hypergeometric(500, 10**6 - 500, 3000, 300)
        metrics = judge(*[Share(int(k), 3000, 10**6, 0.001) for k in wrong])
        alarms += sum(metric.verdict is Verdict.FAIL for metric in metrics)
    assert alarms == 0


@pytest.mark.usefixtures("remembering")
def test_at_the_budget_itself_false_alarms_stay_below_alpha() -> None:
    """Every share is exactly its budget: at most one run in twenty may fail any of its 300 features."""
    rng = np.random.default_rng(8)
    runs = 0
    for _ in range(200):
        wrong = rng.hypergeometric(1000, 10**6 - 1000, 10_000, 300)
        runs += any(m.verdict is Verdict.FAIL for m in judge(*[Share(int(k), 10_000, 10**6, 0.001) for k in wrong]))
    assert runs <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_small_p_value_alone_among_many_is_adjusted() -> None:
    """p = 0.049 fails alone, and is one of 300 otherwise; a real skew fails in any company."""
    doubtful = Share(16, 10_000, 10**9, 0.001)
    clean = [Share(0, 10_000, 10**9, 0.001)] * 299
    assert judge(doubtful)[0].verdict is Verdict.FAIL
    among = judge(doubtful, *clean)
    assert among[0].verdict is Verdict.INCONCLUSIVE
    assert among[0].extra["p_value"] == pytest.approx(1.0)
    assert among[0].extra["needed"] > 10_000
    assert {metric.verdict for metric in among[1:]} == {Verdict.PASS}
    real = Share(40, 10_000, 10**9, 0.001)
    assert judge(real, *clean)[0].verdict is Verdict.FAIL
    # Benjamini-Hochberg by hand: p = 0.001, 0.02, 0.04, 0.9 -> 0.004, 0.04, 0.0533, 0.9.
    assert [m.verdict.value for m in judge(*[doubtful] * 300)] == ["fail"] * 300


def test_what_was_not_checked_takes_no_part() -> None:
    found = settle([None, Share(0, 0, 10, 0.001), Share(16, 10_000, 10**9, 0.001)], CONFIDENCE)
    assert found[0] is None
    assert found[1] is not None
    assert found[1].verdict is Verdict.INCONCLUSIVE
    assert found[2] is not None
    assert found[2].verdict is Verdict.FAIL
    assert settle([], CONFIDENCE) == []


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_upper_bounds_cover_what_they_say(confidence: float) -> None:
    """The population's share lies below `high` in at least `confidence` of all samples, and above `low` too."""
    population, checked = 2000, 150
    for bad in (0, 1, 3, 20, 200):
        chances = hypergeom.pmf(np.arange(checked + 1), population, bad, checked)
        covered_high = covered_low = 0.0
        for wrong, chance in enumerate(chances):
            if chance < 1e-12:
                continue
            (metric,) = judge(Share(wrong, checked, population, 0.001), confidence=confidence)
            assert metric.high is not None
            assert metric.low is not None
            covered_high += chance * (metric.high >= bad / population)
            covered_low += chance * (metric.low <= bad / population)
        assert covered_high >= confidence - 1e-9
        assert covered_low >= confidence - 1e-9
