"""Limits lowered to labelled incidents: between the clean runs and the incident, no more of them than it takes, in whatever order they come."""

from __future__ import annotations

import itertools
from datetime import timedelta

import numpy as np
import pytest
import yaml
from days import START, at, history, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from feast_skew.calibration.calibrate import calibrate
from feast_skew.calibration.incidents import Incident
from feast_skew.calibration.lowering import CleanRuns, lowered
from feast_skew.calibration.texts import render_config, render_text
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample


def runs(
    farthest: float, bound: float | None, *largest: float | None, size: int = 30, spread: float = 0.01
) -> CleanRuns:
    levels = np.full(size, farthest) - spread * np.arange(size)[::-1] / size
    likely = levels[:, None] + spread * np.random.default_rng(0).normal(size=(size, 100))
    return CleanRuns(levels, likely, spread, bound, largest)


def test_the_order_of_incidents_makes_no_difference() -> None:
    """The one that only PSI can tell lowers PSI, which catches the other as well."""
    incidents = {"a": (0.045, 0.05), "b": (0.02, 0.044), "c": (0.045, 0.0435), "gone": (None, None)}
    found = []
    for names in itertools.permutations(incidents):
        mean = runs(0.035, 0.05, *(incidents[name][0] for name in names), spread=0.005)
        psi = runs(0.04, 0.06, *(incidents[name][1] for name in names))
        lower = lowered({"mean": mean, "psi": psi}, np.random.default_rng(1))
        found.append({metric: (one.limit, {names[i] for i in one.places}) for metric, one in lower.items()})
    assert all(one == found[0] for one in found)
    (psi_limit, caught) = found[0]["psi"]
    assert 0.04 < psi_limit.value < 0.044
    assert caught >= {"a", "b"}


def test_a_limit_that_others_make_needless_is_taken_back() -> None:
    for names in itertools.permutations([(0.037, None), (0.045, 0.045), (None, 0.043)]):
        mean = runs(0.035, 0.05, *(one[0] for one in names), spread=0.0001)
        psi = runs(0.04, 0.06, *(one[1] for one in names))
        found = lowered({"mean": mean, "psi": psi}, np.random.default_rng(1))
        caught = {name: one.limit.value for name, one in found.items()}
        assert caught["mean"] < 0.037
        assert caught["psi"] < 0.043
    once = {"mean": runs(0.035, 0.05, 0.045, None), "psi": runs(0.04, 0.06, 0.046, 0.0459)}
    assert set(lowered(once, np.random.default_rng(1))) == {"psi"}


@settings(max_examples=100)
@given(st.floats(1e-6, 2.0), st.floats(1.001, 3.0))
def test_it_stands_in_the_middle(farthest: float, times: float) -> None:
    largest = farthest * times
    (found,) = lowered({"psi": runs(farthest, 10.0, largest, spread=1e-9)}, np.random.default_rng(0)).values()
    assert 0.25 <= (found.limit.value - farthest) / (largest - farthest) <= 0.75
    assert float(f"{found.limit.value:g}") == found.limit.value


@pytest.mark.parametrize("nulls", [0, 1])
def test_a_metric_without_a_limit_catches_nothing(nulls: int) -> None:
    """A single null in an incident is nothing that anything would fail, unless null_rate gets a limit of its own for it."""
    random = np.random.default_rng(5)

    def run(shift: float, nulls: int) -> Profile:
        offline = random.gamma(2.0, 1.0, 3_000)
        online = offline + 0.3 * random.standard_normal(3_000) + 0.02 * random.standard_normal() + shift
        online[:nulls] = np.nan
        pairs = NumberPairs.of(offline, online, random.permutation(3_000).astype(np.uint64), offline == online)
        sample = draw_sample(pairs)
        return Profile.of(pairs, cut_bins(sample), sample).thinned(500)

    kept = [(at(day), run(0.0, 0)) for day in range(30)]
    farthest = max(one.value for one in calibrate("p", {("v", "x"): kept}).proposals[1].seen)
    kept.append((at(30), run(0.0, nulls)))
    incident = Incident("halved", "v:x", START + timedelta(days=30), START + timedelta(days=30))
    found = calibrate("p", {("v", "x"): kept}, (incident,), rate=0.001)
    rate = next(one for one in found.proposals if one.metric == "null_rate")
    assert farthest > 0
    if not nulls:
        assert rate.limit is None
        assert "null_rate: no limit, at most 0 in 1 runs" in render_text(found)
        return
    assert rate.limit is not None
    assert rate.asked is None
    assert rate.lowered_for == ("halved",)
    assert 0 < rate.limit.value < 1 / 3_000
    assert rate.catches[0].caught is not None
    assert "in place of no limit to catch halved" in render_text(found)
    (limits,) = yaml.safe_load(render_config(found))["features"].values()
    assert limits["null_rate"] == rate.limit.value


def test_two_incidents_of_one_name_are_named_once() -> None:
    kept = [*history(0, 30, between=0.02), (at(30), profile(99, shift=0.2)), (at(31), profile(98, shift=0.2))]
    twice = [Incident("late load", "v:x", START + timedelta(days=day), START + timedelta(days=day)) for day in (30, 31)]
    found = calibrate("p", {("v", "x"): kept}, twice, rate=0.001)
    assert all(len(set(one.lowered_for)) == len(one.lowered_for) for one in found.proposals)
