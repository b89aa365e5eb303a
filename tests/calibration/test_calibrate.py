"""Limits keep the rate of false alarms that they promise, and find incidents that a limit from a blog post misses."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import yaml
from days import START, at, history, profile

from feast_skew.calibration.calibrate import calibrate
from feast_skew.calibration.incidents import Incident, read_incidents
from feast_skew.calibration.limits import effective_runs
from feast_skew.calibration.plots import render_html
from feast_skew.calibration.texts import render_config, render_json, render_text
from feast_skew.config import Settings
from feast_skew.errors import ConfigError
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
from feast_skew.statistics.resampled import distances, resampled

INCIDENT = Incident("orders halved", "v:x", START + timedelta(days=20), START + timedelta(days=24))


@pytest.mark.parametrize("between", [0.02, pytest.param(0.0, marks=pytest.mark.slow)])
def test_the_rate_on_runs_to_come_lies_in_its_bounds(between: float) -> None:
    """Runs that no limit has seen, as they are measured; thirty runs or three hundred behind a limit."""
    to_come = [distances(profile(900_000 + i, between=between)) for i in range(1_000)]
    inside, whole, rates = 0, 0, []
    for feature, days in enumerate([30] * 8 + [300]):
        runs = history(10_000 * feature, days, between=between)
        for proposal in calibrate("p", {("v", f"x{feature}"): runs}, rate=0.02).proposals:
            assert proposal.limit is not None
            limit = proposal.limit
            rate = float(np.mean([run[proposal.metric] > limit.value for run in to_come]))
            inside += limit.rate_low - 0.002 <= rate <= limit.rate_high
            whole += 1
            rates.append(rate)
    assert whole == 36
    assert inside >= 34
    assert 0.005 < np.mean(rates) < 0.03


@pytest.mark.parametrize("days", [1, 2, 4])
def test_a_few_runs_promise_little(days: int) -> None:
    """Whether a level moves cannot be seen in them, so the bounds say that any rate is possible."""
    found = calibrate("p", {("v", "x"): history(70, days, between=0.02)})
    limits = [one.limit for one in found.proposals if one.limit is not None]
    assert limits
    assert all(limit.rate_high > 0.8 for limit in limits)


def test_runs_that_depend_on_each_other_are_worth_fewer() -> None:
    random, level = np.random.default_rng(1), np.zeros(200)
    for i in range(1, 200):
        level[i] = 0.8 * level[i - 1] + random.standard_normal()
    assert 10 < effective_runs(level) < 50
    assert effective_runs(random.standard_normal(200)) > 140
    assert effective_runs(np.ones(30)) == 30
    spread = [0.02 * one for one in level[:40]]
    runs = [(at(day), profile(day, shift=shift)) for day, shift in enumerate(spread)]
    found = calibrate("p", {("v", "x"): runs})
    mean = next(one for one in found.proposals if one.metric == "mean")
    assert mean.limit is not None
    assert mean.limit.worth < 20
    assert f"40 (worth {mean.limit.worth:.0f})" in render_text(found)


def test_an_incident_that_a_human_limit_misses() -> None:
    runs = history(0, 40, skewed=dict.fromkeys(range(20, 25), 0.25))
    found = calibrate("p", {("v", "x"): runs}, (INCIDENT,))
    psi = next(one for one in found.proposals if one.metric == "psi")
    (catch,) = psi.catches
    assert psi.clean == 35
    assert catch.runs == 5
    assert catch.caught == catch.first
    assert catch.caught_by_human is None
    text = render_text(found)
    assert "orders halved, v:x, psi: caught by the first run in it" in text
    assert "a limit of 0.2 misses it" in text


def test_other_limits_beside_the_proposed_one() -> None:
    """A lower limit has more false alarms and catches no less, no later."""
    shifts = {20: 0.05, 21: 0.1, 22: 0.6, 23: 0.6, 24: 0.6}
    late = Incident("later", "v:x", START + timedelta(days=60), START + timedelta(days=61))
    found = calibrate("p", {("v", "x"): history(0, 40, skewed=shifts)}, (INCIDENT, late))
    psi = next(one for one in found.proposals if one.metric == "psi")
    others = psi.tradeoffs
    assert psi.limit is not None
    assert {psi.limit.value, 0.2} <= {one.limit for one in others}
    assert [one.limit for one in others] == sorted(one.limit for one in others)
    assert [one.rate for one in others] == sorted((one.rate for one in others), reverse=True)
    assert {one.incidents for one in others} == {1}, "one had no run"
    caught = [one.hours for one in others if one.caught]
    assert caught == sorted(caught)
    assert caught[-1] == 48.0
    assert "v:x, psi: other limits (* the proposed one)" in render_text(found)
    told = next(one for one in json.loads(render_json(found))["proposals"] if one["metric"] == "psi")
    assert [one["limit"] for one in told["other_limits"]] == [one.limit for one in others]


def test_a_limit_is_lowered_to_an_incident_that_lies_beyond_all_clean_runs() -> None:
    """And by one metric only; the false alarms that it costs are told everywhere."""
    few = history(0, 40, between=0.02, skewed=dict.fromkeys(range(20, 25), 0.022))
    found = calibrate("p", {("v", "x"): few}, (INCIDENT,), rate=0.001)
    (one,) = [proposal for proposal in found.proposals if proposal.asked is not None]
    assert (one.metric, one.lowered_for) == ("mean", ("orders halved",))
    assert one.limit is not None
    assert one.asked is not None
    farthest = max(seen.value for seen in one.seen if not INCIDENT.holds(seen.at))
    assert farthest <= one.limit.value < one.catches[0].largest < one.asked.value
    assert one.catches[0].caught is not None
    assert one.false_alarms == 0
    assert one.limit.rate_low <= one.asked.rate < one.limit.rate < one.limit.rate_high
    assert {one.limit.value, one.asked.value} <= {other.limit for other in one.tradeoffs}
    told = f"in place of {one.asked.value:g}, which is passed at {one.asked.rate:.3g}, to catch orders halved"
    line = f"v:x, mean: {one.limit.value:g}, {told}; clean runs pass it at a rate of {one.limit.rate:.3g}"
    assert line in render_text(found)
    assert f", {told}\n" in render_config(found)
    assert f"in place of {one.asked.value:g}, which clean runs pass at a rate of {one.asked.rate:.3g}" in render_html(
        found
    )
    told = {entry["metric"]: entry["lowered"] for entry in json.loads(render_json(found))["proposals"]}
    assert told == {
        "psi": None,
        "mean": {"from": one.asked.value, "from_rate": one.asked.rate, "for": ["orders halved"]},
        "variance": None,
        "null_rate": None,
    }
    Settings().add_layer("calibrated", yaml.safe_load(render_config(found)))


def test_limits_stay_where_an_incident_is_within_noise_or_little_is_known() -> None:
    for days, shift in ((40, 0.0), (9, 0.022)):
        runs = history(0, days, between=0.02, skewed={3: shift})
        third = Incident("third", "v:x", START + timedelta(days=3), START + timedelta(days=3))
        found = calibrate("p", {("v", "x"): runs}, (third,), rate=0.001)
        assert [one.asked for one in found.proposals] == [None] * 4


def test_the_page_of_plots() -> None:
    """Every limit with its runs; nothing in a name is markup, and the browser is told to run nothing."""
    name = "<script>alert(1)</script>"
    incident = Incident(name, "v:*", START + timedelta(days=20), START + timedelta(days=24))
    runs = history(0, 40, skewed=dict.fromkeys(range(20, 25), 2.0))
    page = render_html(calibrate(name, {("v", "x"): runs, ("v", name): runs}, (incident,)))
    assert "<script" not in page
    assert "script-src 'none'" in html.unescape(page)
    assert page.count("<svg") == 8
    assert page.count("<circle") + page.count("<path class=") == 8 * 40
    assert page.count('class="band"') == 8
    assert "above this plot" in page
    assert "No metric needs a limit" in render_html(calibrate("p", {}))


def test_runs_in_an_incident_are_not_clean() -> None:
    runs = history(0, 40, skewed=dict.fromkeys(range(20, 25), 3.0))
    apart = {one.metric: one for one in calibrate("p", {("v", "x"): runs}, (INCIDENT,)).proposals}
    mixed = {one.metric: one for one in calibrate("p", {("v", "x"): runs}).proposals}
    for metric in ("psi", "mean"):
        clean, all_runs = apart[metric].limit, mixed[metric].limit
        assert clean is not None
        assert all_runs is not None
        assert all_runs.value > 3 * clean.value


def test_runs_to_doubt_are_told() -> None:
    """An incident that nobody named, and runs that failed: in the text, in the settings, in the page."""
    runs = history(0, 20, skewed={7: 3.0})
    found = calibrate("p", {("v", "x"): runs}, failed={("v", "x"): {at(7), at(8)}})
    mean = next(one for one in found.proposals if one.metric == "mean")
    assert [one.at for one in mean.apart] == [START + timedelta(days=7)]
    assert mean.failed == 2
    for text in (render_text(found), render_config(found), html.unescape(render_html(found))):
        assert "failed in runs taken as clean: v:x in 2 of 20" in text
        assert "v:x, mean: 1 run lies far from the others, farthest that of 2026-01-08T00:00:00Z" in text
    Settings().add_layer("calibrated", yaml.safe_load(render_config(found)))
    assert "far from the others" not in render_text(calibrate("p", {("v", "x"): history(0, 20)}))


def test_incidents_that_concern_no_feature_are_told() -> None:
    typo = Incident("typo", "v:y", START, START + timedelta(days=1))
    assert "incident typo: no stored run has a feature v:y; did you mean v:x?" in render_text(
        calibrate("p", {("v", "x"): history(0, 3)}, (typo,))
    )


def test_metrics_that_some_or_all_runs_lack() -> None:
    """A first run of nulls takes no metric away; one that no run has is told."""
    nulls = np.full(500, np.nan)
    pairs = NumberPairs.of(nulls, nulls, np.arange(500).astype(np.uint64), np.ones(500, dtype=bool))
    empty = Profile.of(pairs, cut_bins(draw_sample(pairs)), draw_sample(pairs))
    found = calibrate("p", {("v", "x"): [(at(0), empty), *history(0, 12)[1:]]})
    assert {one.metric for one in found.proposals if one.limit} == {"psi", "mean", "variance", "null_rate"}
    found = calibrate("p", {("v", "x"): [(at(day), empty) for day in range(12)]})
    assert "v:x, mean, variance: cannot be computed" in render_text(found)


def test_one_run_of_many_that_differs_needs_no_limit() -> None:
    values = np.random.default_rng(0).normal(size=1_000)
    order, same = np.arange(1_000).astype(np.uint64), np.ones(1_000, dtype=bool)

    def run(shift: float) -> Profile:
        pairs = NumberPairs.of(values, values + shift, order, same if not shift else ~same)
        sample = draw_sample(pairs)
        return Profile.of(pairs, cut_bins(sample), sample).thinned(500)

    runs = [(at(day), run(0.5 if day == 3 else 0.0)) for day in range(200)]
    found = calibrate("p", {("v", "x"): runs})
    assert {one.limit for one in found.proposals} == {None}
    assert all("limit" not in line for line in render_config(found).splitlines() if not line.startswith("#"))


def test_very_large_numbers_stop_nothing() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=500) * 1e300
    pairs = NumberPairs.of(values, 1.1 * values, np.arange(500).astype(np.uint64), np.zeros(500, dtype=bool))
    sample = draw_sample(pairs)
    huge = Profile.of(pairs, cut_bins(sample), sample).thinned(500)
    found = calibrate("p", {("v", "huge"): [(at(day), huge) for day in range(12)], ("v", "x"): history(0, 12)})
    assert "v:huge, mean" in render_text(found)
    assert len([one for one in found.proposals if one.feature == "x"]) == 4


def test_sides_that_always_agree_need_no_limit() -> None:
    values = np.random.default_rng(0).normal(size=1_000)
    pairs = NumberPairs.of(values, values, np.arange(1_000).astype(np.uint64), np.ones(1_000, dtype=bool))
    sample = draw_sample(pairs)
    same = Profile.of(pairs, cut_bins(sample), sample).thinned(500)
    found = calibrate("p", {("v", "x"): [(at(day), same) for day in range(20)]})
    assert {one.limit for one in found.proposals} == {None}
    assert "agree in as many clean runs as asked" in render_text(found)
    assert yaml.safe_load(render_config(found)) == {"features": {}}


def test_one_run_is_said_to_tell_of_chance_alone() -> None:
    found = calibrate("p", {("v", "x"): history(0, 1)})
    assert "limits come from chance alone" in found.basis
    assert any(one.limit is not None for one in found.proposals)
    assert "too few" in calibrate("p", {("v", "x"): history(0, 5)}).basis


def test_the_proposal_is_a_file_of_settings() -> None:
    name = 'odd "name": {x}\n# no comment'
    found = calibrate("p", {("v", "x"): history(0, 20), ("v", name): history(50, 20)})
    content = yaml.safe_load(render_config(found))
    Settings().add_layer("calibrated", content)
    assert set(content["features"]) == {"v:x", f"v:{name}"}
    assert set(content["features"]["v:x"]) == {"psi", "mean", "variance", "null_rate"}
    told = json.loads(render_json(found))
    assert {one["metric"] for one in told["proposals"]} == {"psi", "mean", "variance", "null_rate"}


def test_the_same_history_gives_the_same_limits() -> None:
    runs = {("v", "x"): history(0, 12)}
    assert render_config(calibrate("p", runs)) == render_config(calibrate("p", runs))


def test_what_is_drawn_lies_around_what_was_measured() -> None:
    one = profile(3, shift=0.5, scale=1.2)
    known = distances(one)
    drawn = resampled(one, known, 4_000, np.random.default_rng(0))
    assert set(known) == set(drawn) == {"psi", "mean", "variance", "null_rate"}
    for name in ("mean", "variance", "null_rate"):
        assert np.median(drawn[name]) == pytest.approx(known[name], rel=0.05)
    # A bootstrap of a distance adds its noise once more.
    assert known["psi"] < np.median(drawn["psi"]) < known["psi"] + 0.02


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("i.csv", "feature,from\nv:x,2026-01-01\n", "lacks the column to"),
        ("i.csv", "feature|from|to\nv:x|2026-01-01|2026-01-02\n", "lacks the columns feature, from, to"),
        ("i.csv", "", "lacks the columns"),
        ("i.csv", "feature,from,to\nv:x,2026-01-01,\n", "to is missing"),
        ("i.yaml", "- {feature: v, from: 2026-01-01, to: 2026-01-02}\n", "must hold settings by name"),
        ("i.yaml", "incidents:\n  - {feature: [v, w], from: 2026-01-01, to: 2026-01-02}\n", "feature is no text"),
        ("i.csv", "feature,from,to\nv:x,yesterday,2026-01-02\n", "is no time"),
        ("i.csv", "feature,from,to\nv:x,2026-01-03,2026-01-02\n", "ends before it begins"),
        ("i.yaml", "incidents: 5\n", "no list `incidents`"),
        ("i.yaml", "incidents: [5]\n", "is missing"),
    ],
)
def test_files_of_incidents_that_are_none(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_incidents(tmp_path / name)


def test_the_smallest_and_largest_limits_are_numbers() -> None:
    found = calibrate("p", {("v", "x"): history(0, 12)})
    for value in (3e-05, 1e06, 0.2, 1.071, 12.0):
        limits = [replace(one, limit=replace(one.limit, value=value)) for one in found.proposals if one.limit]
        content = yaml.safe_load(render_config(replace(found, proposals=tuple(limits))))
        assert set(content["features"]["v:x"].values()) == {value}
        Settings().add_layer("calibrated", content)


def test_files_of_incidents(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(
        "feature,from,to,name\nv,2026-01-01,2026-01-02,late load\n*,2026-02-01,2026-02-02,\n"
    )
    one, other = read_incidents(tmp_path / "i.csv")
    assert (one.name, one.features, other.name) == ("late load", "v:*", "incident 3")
    assert one.concerns("v", "x")
    assert not one.concerns("w", "x")
    assert other.concerns("w", "x")
    (tmp_path / "i.yaml").write_text("incidents:\n  - {feature: 'v:x', from: 2026-01-01, to: 2026-01-02T12:00:00Z}\n")
    assert read_incidents(tmp_path / "i.yaml")[0].concerns("v", "x")
    assert one.holds(datetime(2026, 1, 2, 23, 59, tzinfo=timezone.utc)), "a date is all of its day"
    assert not one.holds(datetime(2026, 1, 3, tzinfo=timezone.utc))
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbffeature,from,to\r\nv,2026-01-01,2026-01-02\r\n")
    assert read_incidents(tmp_path / "excel.csv")[0].features == "v:*"
    for delimiter in ";\t":
        text = "Feature,From, To ,Name\nv:x,2026-01-02,2026-01-03,a,b\n".replace(",", delimiter)
        (tmp_path / "other.csv").write_text(text)
        (found,) = read_incidents(tmp_path / "other.csv")
        assert (found.features, found.name, found.start) == ("v:x", "a", datetime(2026, 1, 2, tzinfo=timezone.utc))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_incidents(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('feature,from,to,"remark (who; what; why; fix; link)"\nv:x,2026-01-02,2026-01-03,a\n', "incident 2"),
        ("feature,from,to,name,Name\nv:x,2026-01-02,2026-01-03,real,\n", "real"),
        ('feature,from,to,"name\n(free)"\nv:x,2026-01-02,2026-01-03,a\n', "incident 2"),
        ("sep=;\n\nFeature;From;To;Name\nv:x;2026-01-02;2026-01-03;a\n;;;\n\n", "a"),
        ("feature\tfrom\tto\nv:x\t2026-01-02\t2026-01-03\tbehind\n", "incident 2"),
    ],
)
def test_files_that_spreadsheets_make(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "i.csv").write_text(text)
    (found,) = read_incidents(tmp_path / "i.csv")
    start = datetime(2026, 1, 2, tzinfo=timezone.utc)
    assert (found.features, found.start) == ("v:x", start)
    assert found.name == name
