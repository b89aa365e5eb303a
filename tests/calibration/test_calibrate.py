"""Limits keep the rate of false alarms that they promise, and find incidents that a limit from a blog post misses."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from days import START, at, history, profile

from feast_skew.calibration.calibrate import calibrate
from feast_skew.calibration.incidents import Incident, read_incidents
from feast_skew.calibration.plots import render_html
from feast_skew.calibration.texts import render_config, render_json, render_text
from feast_skew.config import Settings
from feast_skew.errors import ConfigError
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
from feast_skew.statistics.resampled import distances, resampled

INCIDENT = Incident("orders halved", "v:x", START + timedelta(days=20), START + timedelta(days=24))


@pytest.mark.parametrize(
    ("method", "between"),
    [
        ("quantile", 0.02),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("quantile", 0.0), ("sd", 0.0), ("sd", 0.02))),
    ],
)
def test_the_rate_on_held_out_runs_lies_in_its_interval(between: float, method: str) -> None:
    """Of 5,000 runs drawn from the states of days that the limits have not seen."""
    inside, whole = 0, 0
    for feature in range(12):
        found = calibrate(
            "p",
            {("v", f"x{feature}"): history(1_000 * feature, 30, between=between)},
            rate=0.02,
            method=method,
            draws=3_000,
        )
        held_out = [run for _, run in history(500_000 + 1_000 * feature, 30, between=between)]
        generator = np.random.default_rng(feature)
        pools = [resampled(one, 5_000 // 30, generator) for one in held_out]
        for proposal in found.proposals:
            assert proposal.limit is not None
            drawn = np.concatenate([pool[proposal.metric] for pool in pools])
            rate = float(np.mean(drawn > proposal.limit.value))
            inside += proposal.limit.rate_low <= rate <= proposal.limit.rate_high
            whole += 1
    assert whole == 48
    # The normal quantile does not know the tails of these metrics, all of which lie on one side.
    assert inside >= (44 if method == "quantile" else 30)


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


def test_sides_that_always_agree_need_no_limit() -> None:
    values = np.random.default_rng(0).normal(size=1_000)
    pairs = NumberPairs.of(values, values, np.arange(1_000).astype(np.uint64), np.ones(1_000, dtype=bool))
    sample = draw_sample(pairs)
    same = Profile.of(pairs, cut_bins(sample), sample).thinned(500)
    found = calibrate("p", {("v", "x"): [(at(day), same) for day in range(20)]})
    assert {one.limit for one in found.proposals} == {None}
    assert "agree in every clean run" in render_text(found)
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
    known, drawn = distances(one), resampled(one, 4_000, np.random.default_rng(0))
    assert set(known) == set(drawn) == {"psi", "mean", "variance", "null_rate"}
    for name in ("mean", "variance", "null_rate"):
        assert np.median(drawn[name]) == pytest.approx(known[name], rel=0.05)
    # A bootstrap of a distance adds its noise once more.
    assert known["psi"] < np.median(drawn["psi"]) < known["psi"] + 0.02


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("i.csv", "feature,from\nv:x,2026-01-01\n", "to is missing"),
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
    with pytest.raises(ConfigError, match="cannot be read"):
        read_incidents(tmp_path / "none.csv")
