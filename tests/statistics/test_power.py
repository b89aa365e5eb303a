"""Power and sample sizes against the judge itself, over every count that a sample can hold."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from feast_skew.judging.limits import Share, settle
from feast_skew.report import Verdict
from feast_skew.statistics import power as power_module
from feast_skew.statistics.power import (
    critical_counts,
    decided_rates,
    operating_curve,
    operating_point,
    sample_to_detect,
)
from feast_skew.statistics.rates import allowed_wrong

BUDGETS = st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.1, 0.29, 0.5, 0.9, 1.0])
CONFIDENCES = st.sampled_from([0.55, 0.9, 0.95, 0.99])
FEATURES = st.sampled_from([1, 2, 10, 300])


def verdict(count, population, sample, budget, confidence, features=1):
    """The run's own verdict of one feature among others that have nothing wrong and no say."""
    others = [Share(0, 1, 10**6, 1.0)] * (features - 1)
    metric = settle([Share(count, sample, population, budget), *others], confidence)[0]
    assert metric is not None
    return metric.verdict


def judged(true_wrong, population, sample, budget, confidence, features=1):
    """P(pass), P(fail), P(open): every count judged, weighted with scipy's probability of it."""
    totals = dict.fromkeys((Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE), 0.0)
    for count in range(max(0, sample - (population - true_wrong)), min(sample, true_wrong) + 1):
        weight = hypergeom.pmf(count, population, true_wrong, sample)
        totals[verdict(count, population, sample, budget, confidence, features)] += weight
    return tuple(totals.values())


@st.composite
def cases(draw):
    population = draw(st.integers(1, 60))
    return population, draw(st.integers(0, population)), draw(BUDGETS), draw(CONFIDENCES), draw(FEATURES)


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_probabilities_are_those_of_the_judge(case, data):
    population, sample, budget, confidence, features = case
    true_wrong = data.draw(st.integers(0, population))
    point = operating_point(true_wrong, population, sample, budget, confidence, features)
    found = judged(true_wrong, population, sample, budget, confidence, features)
    assert (point.passes, point.fails, point.open) == pytest.approx(found, abs=1e-10)
    assert point.rate == true_wrong / population
    assert point.passes + point.fails + point.open == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_critical_counts_are_where_the_verdict_changes(case):
    population, sample, budget, confidence, features = case
    counts = critical_counts(population, sample, budget, confidence, features)
    for count in range(sample + 1):
        told = verdict(count, population, sample, budget, confidence, features)
        assert (told is Verdict.PASS) == (count <= counts.pass_most)
        assert (told is Verdict.FAIL) == (count >= counts.fail_least)


@pytest.mark.parametrize("wrong", [5, 51, 52, 150, 400])
def test_probabilities_agree_with_simulated_runs(wrong):
    population, sample, budget, runs = 51_234, 10_000, 0.001, 20_000
    counts = np.random.default_rng(wrong).hypergeometric(wrong, population - wrong, sample, size=runs)
    told = {count: verdict(int(count), population, sample, budget, 0.95, 10) for count in np.unique(counts)}
    point = operating_point(wrong, population, sample, budget, 0.95, 10)
    for kind, probability in ((Verdict.PASS, point.passes), (Verdict.FAIL, point.fails)):
        share = sum(int((counts == count).sum()) for count, word in told.items() if word is kind) / runs
        assert share == pytest.approx(probability, abs=4.5 * math.sqrt(probability * (1 - probability) / runs) + 1e-9)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 10**7),
    st.floats(0.0, 1.0),
    BUDGETS,
    CONFIDENCES,
    FEATURES,
)
def test_curve_rises_and_keeps_the_promises_of_the_verdicts(population, part, budget, confidence, features):
    sample = int(part * population)
    curve = operating_curve(population, sample, budget, confidence, features)
    rates = [point.rate for point in curve]
    allowed = allowed_wrong(budget, population)
    assert rates == sorted(set(rates))
    assert rates[0] == 0.0
    assert allowed / population in rates
    for before, after in itertools.pairwise(curve):
        assert after.passes <= before.passes + 1e-9
        assert after.fails >= before.fails - 1e-9
    for point in curve:
        assert point.passes + point.fails + point.open == pytest.approx(1.0, abs=1e-9)
        assert min(point.passes, point.fails, point.open) >= 0.0
        if sample and sample < population:
            # Never more than alpha wrong verdicts, whichever way.
            if point.rate > allowed / population:
                assert point.passes <= 1 - confidence + 1e-9
            else:
                assert point.fails <= (1 - confidence) / features + 1e-9


@pytest.mark.parametrize(("population", "budget"), [(1, 0.001), (7, 0.5), (51_234, 0.001), (10**6, 0.0), (100, 1.0)])
def test_a_census_is_a_step_at_the_budget(population, budget):
    allowed = allowed_wrong(budget, population)
    for point in operating_curve(population, population, budget, 0.95, 300):
        inside = round(point.rate * population) <= allowed
        assert (point.passes, point.fails, point.open) == (float(inside), float(not inside), 0.0)
    least = None if allowed == population else (allowed + 1) / population
    assert decided_rates(population, population, budget, 0.95) == (allowed / population, least)


def test_the_grid_reaches_from_a_tenth_of_the_budget_to_a_hundred_times_it():
    rates = [point.rate for point in operating_curve(10**6, 10_000, 0.001, 0.95)]
    assert rates[:2] == [0.0, 0.0001]
    assert rates[-1] == 0.1
    assert 0.001 in rates
    assert 0.001001 in rates
    # A budget of nothing has no tenth: the smallest rates there are.
    assert [point.rate for point in operating_curve(1000, 100, 0.0, 0.95)][:3] == [0.0, 0.001, 0.002]


@pytest.mark.parametrize("population", [10**6, 10**7, 10**9])
def test_the_curve_of_millions_is_as_much_work_as_that_of_thousands(population, monkeypatch):
    asked = []
    for name in ("tail_above", "tail_below"):
        tail = getattr(power_module, name)
        monkeypatch.setattr(power_module, name, lambda *args, tail=tail: asked.append(args) or tail(*args))
    points = operating_curve(population, 10_000, 0.001, 0.95, 300)
    # Two for each point, and what halving needs to find the critical counts.
    assert len(points) <= len(asked) <= 2 * len(points) + 2 * (10_000).bit_length()


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([0.5, 0.8, 0.95]))
def test_decided_rates_are_the_last_and_first_of_all(case, probability):
    population, sample, budget, confidence, features = case
    points = [operating_point(k, population, sample, budget, confidence, features) for k in range(population + 1)]
    passes = [point.rate for point in points if point.passes >= probability]
    fails = [point.rate for point in points if point.fails >= probability]
    found = decided_rates(population, sample, budget, confidence, features, probability)
    assert found == (max(passes, default=None), min(fails, default=None))


def slow_sample_to_detect(rate, power, population, budget, confidence, features):
    """Every sample asked, from the largest down."""
    wrong = math.ceil(Fraction(repr(rate)) * population)
    best = population
    for sample in range(population, 0, -1):
        if verdict(0, population, sample, budget, confidence) is not Verdict.PASS:
            break
        if operating_point(wrong, population, sample, budget, confidence, features).fails < power:
            break
        best = sample
    return best


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 400),
    st.sampled_from([(0.0, 0.01), (0.01, 0.02), (0.05, 0.06), (0.1, 0.5), (0.29, 0.35), (0.5, 0.51), (0.9, 1.0)]),
    st.sampled_from([0.5, 0.8, 0.95, 0.999]),
    CONFIDENCES,
    FEATURES,
)
@example(400, (0.29, 0.35), 0.8, 0.95, 1)
def test_size_is_the_smallest_from_which_all_larger_ones_hold(population, rates, power, confidence, features):
    budget, rate = rates
    found = sample_to_detect(rate, power, population, budget, confidence, features)
    assert found == slow_sample_to_detect(rate, power, population, budget, confidence, features)


@pytest.mark.parametrize(("budget", "rate"), [(0.1, 0.11), (0.29, 0.3), (0.05, 0.08), (0.5, 0.52)])
@pytest.mark.parametrize("population", [500, 3_000])
def test_the_quick_size_holds_too_and_is_hardly_larger(population, budget, rate, monkeypatch):
    exact = sample_to_detect(rate, 0.9, population, budget, 0.95, 3)
    monkeypatch.setattr(power_module, "_MOST_INTERVALS", 0)
    quick = sample_to_detect(rate, 0.9, population, budget, 0.95, 3)
    assert exact <= quick <= exact + 2 / (rate - budget)
    wrong = math.ceil(Fraction(repr(rate)) * population)
    assert all(
        operating_point(wrong, population, n, budget, 0.95, 3).fails >= 0.9 for n in range(quick, population + 1)
    )


def test_a_clean_feature_passes_by_the_rule_of_three():
    """A rate so large that few would do for it: the pass of the clean ones decides the size."""
    assert sample_to_detect(0.6, 0.95, 10**9, 0.001, 0.95) == 2_995
    assert 0.999**2_995 <= 0.05 < 0.999**2_994


@pytest.mark.parametrize(
    ("population", "features", "rate"), [(51_234, 1, 0.002), (10**6, 10, 0.002), (10**6, 300, 0.005)]
)
def test_runs_of_that_size_decide(population, features, rate):
    """Simulated runs: the wrong feature fails as often as promised, the clean one always passes."""
    size = sample_to_detect(rate, 0.95, population, 0.001, 0.95, features)
    wrong = math.ceil(Fraction(repr(rate)) * population)
    counts = np.random.default_rng(5).hypergeometric(wrong, population - wrong, size, size=4_000)
    words = {c: verdict(int(c), population, size, 0.001, 0.95, features) for c in np.unique(counts)}
    failed = sum(int((counts == c).sum()) for c, word in words.items() if word is Verdict.FAIL) / len(counts)
    assert failed >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / len(counts))
    assert failed <= 0.97  # no more entities than it takes
    assert verdict(0, population, size, 0.001, 0.95, features) is Verdict.PASS


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**7), st.sampled_from([1.2, 2.0, 5.0, 50.0]), FEATURES)
def test_an_unlimited_population_asks_for_the_most(population, times, features):
    unlimited = sample_to_detect(times * 0.001, 0.95, 10**9, 0.001, 0.95, features)
    assert sample_to_detect(times * 0.001, 0.95, population, 0.001, 0.95, features) <= unlimited


def test_only_reading_all_tells_one_from_none():
    assert sample_to_detect(0.001, 0.96, 1_000, 0.0, 0.95) == 960
    assert sample_to_detect(0.0011, 0.99999, 1_000, 0.001, 0.95) == 1_000


def test_nothing_to_read():
    assert sample_to_detect(0.002, 0.95, 0, 0.001, 0.95) is None
    assert operating_curve(0, 0, 0.001, 0.95) == ()
    assert decided_rates(0, 0, 0.001, 0.95) == (None, None)
    assert decided_rates(10, 0, 1.0, 0.95) == (None, None)
    assert [point.open for point in operating_curve(10, 0, 1.0, 0.95)] == [1.0] * len(operating_curve(10, 0, 1.0, 0.95))


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: sample_to_detect(0.001, 0.95, 10, 0.001, 0.95), "above the budget"),
        (lambda: sample_to_detect(1.1, 0.95, 10, 0.001, 0.95), "at most 1"),
        (lambda: sample_to_detect(0.1, 1.0, 10, 0.001, 0.95), "power"),
        (lambda: sample_to_detect(0.1, 0.9, 10, 0.001, 1.0), "confidence"),
        (lambda: sample_to_detect(0.1, 0.9, -1, 0.001, 0.9), "population"),
        (lambda: operating_point(11, 10, 5, 0.001, 0.95), "true_wrong"),
        (lambda: operating_point(0, 0, 0, 0.001, 0.95), "population > 0"),
        (lambda: operating_curve(10, 11, 0.001, 0.95), "sample"),
        (lambda: operating_curve(10, 5, 1.5, 0.95), "budget"),
        (lambda: critical_counts(10, 5, 0.1, 0.95, 0), "features"),
        (lambda: decided_rates(10, 5, 0.1, 0.95, 1, 0.0), "probability"),
    ],
)
def test_numbers_out_of_range(call, part):
    with pytest.raises(ValueError, match=part):
        call()
