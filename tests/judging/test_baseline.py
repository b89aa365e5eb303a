"""What is known, worse, new: the rules of a baseline, on reports that went through their JSON as a stored one does."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1]))

from reports import CLASSES
from reports import report as whole_report

from feast_skew.errors import ConfigError
from feast_skew.history.baseline_file import Baseline, baseline_of, read_baseline
from feast_skew.judging.baseline import hold_against
from feast_skew.render.json import render
from feast_skew.report import Cause, FeatureResult, Finding, Metric, SkewReport, Verdict, iso
from feast_skew.statistics.rates import rate_bounds

POPULATION = 1_000_000
FIRST, SECOND = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def share(wrong: int, checked: int = 10_000, population: int = POPULATION) -> Metric:
    bounds = rate_bounds(wrong, checked, population, 0.95)
    assert bounds is not None
    verdict = Verdict.FAIL if bounds.low > 0.001 else Verdict.PASS if bounds.high <= 0.001 else Verdict.INCONCLUSIVE
    return Metric(bounds.value, bounds.low, bounds.high, 0.001, verdict, {"wrong": wrong, "checked": checked})


def feature(
    name: str = "f", what: str | None = "scale", verdict: Verdict | None = None, **metrics: Metric
) -> FeatureResult:
    verdict = verdict or next((v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) for m in metrics.values() if m.verdict is v),
                              Verdict.PASS)  # fmt: skip
    causes = (Cause("stale", "how", 0.9, 0.9, "", {}, ""),)
    causes += (Cause(what, "what", 0.8, 0.9, "", {}, ""),) if what else ()
    counts = {"entities": 10_000, "match": 9_000, "mismatch": 1_000}
    return FeatureResult("v", name, "Float64", "", "", verdict, counts, metrics, causes, reasons=("as measured",))


def report(*features: FeatureResult, findings: tuple[Finding, ...] = (), at: str = FIRST) -> SkewReport:
    return SkewReport("p", f"run-{at}", at, "local", at, 0, {}, {}, features, findings, settings={"confidence": 0.95})


@pytest.fixture
def store(tmp_path: Path):
    def stored(earlier: SkewReport) -> Baseline:
        file = tmp_path / f"{earlier.run_id[:14]}.json"
        file.write_text(render(earlier), encoding="utf-8")
        return read_baseline(file)

    return stored


def state(held: SkewReport, name: str = "f") -> str:
    found = next(f for f in held.features if f.feature == name)
    assert found.known is not None
    assert found.verdict is (Verdict.WARN if found.known.state == "known" else Verdict.FAIL)
    assert found.reasons == (found.known.reason, "as measured")
    return found.known.state


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (3_000, 3_000, "known"),
        (3_000, 2_000, "known"),
        (3_000, 3_100, "known"),  # the bounds overlap
        (3_000, 3_300, "worse"),
        (9_999, 10_000, "known"),
        (20, 40, "worse"),
        (20, 28, "known"),
    ],
)
def test_shares(store, before: int, now: int, expected: str) -> None:
    held = hold_against(
        report(feature(mismatch_rate=share(now)), at=SECOND), store(report(feature(mismatch_rate=share(before))))
    )
    assert state(held) == expected
    assert held.verdict is (Verdict.WARN if expected == "known" else Verdict.FAIL)
    assert held.baseline is not None
    assert held.baseline["verdict_without"] == "fail"


def test_exact_shares_differ_from_day_to_day(store) -> None:
    """Where all were read, low = value = high: one more wrong row is no news, a hundred are."""

    def exact(wrong: int) -> FeatureResult:
        return feature(mismatch_rate=share(wrong, 4_000, 4_000))

    baseline = store(report(exact(1_000)))
    assert state(hold_against(report(exact(1_001), at=SECOND), baseline)) == "known"
    assert state(hold_against(report(exact(1_100), at=SECOND), baseline)) == "worse"


@pytest.mark.parametrize(
    ("name", "before", "now", "expected"),
    [
        ("mean_difference", (4.0, 6.0), (5.0, 7.0), "known"),
        ("mean_difference", (4.0, 6.0), (6.5, 8.0), "worse"),
        ("mean_difference", (4.0, 6.0), (-8.0, -6.5), "worse"),
        ("mean_difference", (-6.0, -4.0), (-3.0, -2.0), "known"),
        ("variance_ratio", (0.2, 0.3), (0.05, 0.1), "worse"),
        ("variance_ratio", (0.2, 0.3), (0.25, 0.35), "known"),
        ("variance_ratio", (2.0, 3.0), (0.1, 0.2), "worse"),
        ("psi", (0.2, 0.3), (0.4, 0.5), "worse"),
        ("psi", (0.2, None), (0.4, None), "known"),  # nothing to tell by; the cause is the same
    ],
)
def test_differences_have_signs_and_ratios_are_around_one(store, name, before, now, expected) -> None:
    then, later = (feature(**{name: Metric(1.0, *bounds, 0.1, Verdict.FAIL)}) for bounds in (before, now))
    assert state(hold_against(report(later, at=SECOND), store(report(then)))) == expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ("scale", "scale", "known"),
        ("scale", "offset", "other_cause"),
        ("unknown", "offset", "other_cause"),
        ("scale", None, "known"),
        (None, "scale", "other_cause"),
    ],
)
def test_causes(store, then: str | None, now: str | None, expected: str) -> None:
    held = hold_against(
        report(feature(what=now, mismatch_rate=share(500)), at=SECOND),
        store(report(feature(what=then, mismatch_rate=share(500)))),
    )
    assert state(held) == expected


@pytest.mark.parametrize(
    ("verdict", "text"),
    [("pass", "passed"), ("warn", "only warned"), ("inconclusive", "undecided"), ("error", "not be read")],
)
def test_what_did_not_fail_is_new(store, verdict: str, text: str) -> None:
    then = feature(verdict=Verdict(verdict), mismatch_rate=share(0))
    held = hold_against(report(feature(mismatch_rate=share(500)), at=SECOND), store(report(then)))
    assert state(held) == "new"
    assert text in held.features[0].reasons[0]


def test_another_metric_that_fails_is_worse(store) -> None:
    then = feature(mismatch_rate=share(500), presence_rate=share(0))
    now = feature(mismatch_rate=share(500), presence_rate=share(500))
    held = hold_against(report(now, at=SECOND), store(report(then)))
    assert state(held) == "worse"
    assert "presence_rate did not fail there" in held.features[0].reasons[0]


def test_what_can_no_longer_be_decided_is_not_hidden_by_what_is_known(store) -> None:
    """A fail covers what is inconclusive beside it; as it becomes a warning, that shows."""
    undecided = share(10)
    assert undecided.verdict is Verdict.INCONCLUSIVE
    now = report(feature(mismatch_rate=share(500), presence_rate=undecided), at=SECOND)
    passed = hold_against(now, store(report(feature(mismatch_rate=share(500), presence_rate=share(0)))))
    assert passed.verdict is Verdict.INCONCLUSIVE
    undecided_too = hold_against(now, store(report(feature(mismatch_rate=share(500), presence_rate=undecided))))
    assert undecided_too.verdict is Verdict.WARN


def test_new_gone_and_recovered(store) -> None:
    baseline = store(report(*(feature(name, mismatch_rate=share(500)) for name in ("a", "b", "c"))))
    now = report(
        feature("a", mismatch_rate=share(500)), feature("b", mismatch_rate=share(0)), feature("d", mismatch_rate=share(500)), at=SECOND
    )  # fmt: skip
    held = hold_against(now, baseline)
    assert held.baseline is not None
    assert {name: held.baseline[name] for name in ("known", "new", "recovered", "gone")} == {
        "known": ["v:a"], "new": ["v:d"], "recovered": ["v:b"], "gone": ["v:c"],
    }  # fmt: skip
    assert [found.feature for found in held.features] == ["d", "a", "b"]
    assert state(held, "d") == "new"


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_what_was_not_measured_stays_so(store, verdict: Verdict) -> None:
    now = report(feature(verdict=verdict, mismatch_rate=share(500)), at=SECOND)
    held = hold_against(now, store(report(feature(mismatch_rate=share(500)))))
    assert held.features == now.features
    assert held.verdict is verdict


def test_small_steps_do_not_add_up(store) -> None:
    """Each night's report is the next night's baseline: the bounds of the first one stay."""
    held, states = report(feature(mismatch_rate=share(3_000))), []
    for night in range(2, 6):
        now = report(feature(mismatch_rate=share(3_000 + 80 * (night - 1))), at=f"2026-01-0{night}T00:00:00Z")
        held = hold_against(now, store(held))
        known = held.features[0].known
        assert known is not None
        states.append((known.state, known.since))
        if known.state != "known":
            break
    assert states[0] == ("known", FIRST)
    assert states[-1] == ("worse", FIRST)


def test_a_failure_that_got_better_is_held_to_that(store) -> None:
    better = hold_against(
        report(feature(mismatch_rate=share(500)), at=SECOND), store(report(feature(mismatch_rate=share(3_000))))
    )
    assert state(better) == "known"
    back = report(feature(mismatch_rate=share(3_000)), at="2026-01-03T00:00:00Z")
    assert state(hold_against(back, store(better))) == "worse"


def test_a_failure_that_was_let_into_the_baseline_is_known_from_then_on(store) -> None:
    worse = hold_against(
        report(feature(mismatch_rate=share(3_000)), at=SECOND), store(report(feature(mismatch_rate=share(500))))
    )
    assert state(worse) == "worse"
    held = hold_against(report(feature(mismatch_rate=share(3_000)), at="2026-01-03T00:00:00Z"), store(worse))
    assert held.features[0].reasons[0] == f"known since {SECOND}: not worse"


def finding(detail: str, severity: str = "fail") -> Finding:
    return Finding("FS301", severity, "v", detail, "repair")


def test_findings(store) -> None:
    rule = "suite s: {}: expect_x (max_value=5) holds offline and breaks online: {} of 4,000 values (2.5% of those) are unexpected"
    baseline = store(report(feature(mismatch_rate=share(0)), findings=(finding(rule.format("delay_7d", 100)),)))
    now = report(
        feature(mismatch_rate=share(0)), at=SECOND,
        findings=(finding(rule.format("delay_7d", "1,100")), finding(rule.format("delay_30d", 100)), finding("x", "info")),
    )  # fmt: skip
    held = hold_against(now, baseline)
    assert [(f.severity, f.known and f.known.state) for f in held.findings] == [
        ("fail", "new"), ("warn", "known"), ("info", None),
    ]  # fmt: skip
    assert held.verdict is Verdict.FAIL
    assert "delay_30d" in held.findings[0].detail
    again = hold_against(replace(now, findings=now.findings[:1]), store(held))
    assert again.verdict is Verdict.PASS
    assert again.findings[0].known is not None
    assert again.findings[0].known.since == FIRST


def test_one_known_finding_stands_for_one(store) -> None:
    baseline = store(report(feature(mismatch_rate=share(0)), findings=(finding("5 of 9"),)))
    held = hold_against(
        report(feature(mismatch_rate=share(0)), findings=(finding("6 of 9"), finding("7 of 9"))), baseline
    )
    assert sorted(f.severity for f in held.findings) == ["fail", "warn"]


@pytest.mark.parametrize(
    ("view", "detail", "severity"),
    [
        ("", "limit (max_value=0.01) is not met: beyond the limit: v:a 0.3, w:b 0.2", "warn"),
        (
            "v",
            "limit (max_value=0.01) is not met: beyond the limit: v:a 0.3",
            "warn",
        ),  # b recovered, or was not asked for
        ("", "limit (max_value=0.01) is not met: beyond the limit: v:a 0.3, w:c 0.2", "fail"),
        ("v", "other (max_value=0.01) is not met: beyond the limit: v:a 0.3", "fail"),
    ],
)
def test_a_finding_on_fewer_features_is_known(store, view: str, detail: str, severity: str) -> None:
    told = Finding("FS304", "fail", "", "limit (max_value=0.01) is not met: beyond the limit: v:a 0.2, w:b 0.41", "")
    baseline = store(report(feature(mismatch_rate=share(0)), findings=(told,)))
    now = report(feature(mismatch_rate=share(0)), findings=(Finding("FS304", "fail", view, detail, ""),), at=SECOND)
    assert hold_against(now, baseline).findings[0].severity == severity


IMPOSSIBLE: dict[str, Any] = {
    "value": ("features.0.metrics.mismatch_rate.value", float("nan")),
    "share": ("features.0.metrics.mismatch_rate.value", 5.0),
    "bounds": ("features.0.metrics.mismatch_rate.low", 0.9),
    "no bound": ("features.0.metrics.mismatch_rate.high", None),
    "bounds of a difference": ("features.0.metrics.mean_difference.low", 5.0),
    "no counts": ("features.0.counts", {}),
    "entities": ("features.0.counts.entities", -5),
    "mismatch": ("features.0.counts.mismatch", 10**30),
    "too many": ("features.0.counts.match", 10_001),
    "half": ("features.0.counts.match", 0.5),
    "moment": ("created_at", "yesterday"),
    "zone": ("created_at", "2026-01-01T00:00:00"),
    "wrong": ("features.0.metrics.mismatch_rate.wrong", 10**9),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_numbers_are_damage(tmp_path: Path, name: str) -> None:
    place, value = IMPOSSIBLE[name]
    failing = feature(mismatch_rate=share(500), mean_difference=Metric(1.0, 0.5, 2.0, 0.1, Verdict.FAIL))
    content = json.loads(render(report(failing)))
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(content))
    read_baseline(file)
    inside: Any = content
    *path, last = place.split(".")
    for key in path:
        inside = inside[int(key) if key.isdigit() else key]
    inside[last] = value
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="is damaged"):
        read_baseline(file)


def test_a_feature_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    content = json.loads(render(report(feature(mismatch_rate=share(500)))))
    content["features"] *= 2
    (tmp_path / "baseline.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="is damaged"):
        read_baseline(tmp_path / "baseline.json")


COUNTS = st.lists(st.integers(0, 10**6), min_size=10, max_size=10)
NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=300)
@given(COUNTS, st.integers(0, 10_000), NUMBERS, NUMBERS, NUMBERS, st.datetimes(timezones=st.just(timezone.utc)))
def test_whatever_is_written_is_read(
    parts: list[int], wrong: int, value: float | None, one: float | None, other: float | None, at: datetime
) -> None:
    """With bounds that are infinite, or none; from a stored report, and from one of this process."""
    low, high = (one, other) if one is None or other is None or not one > other else (other, one)
    measured = feature(mismatch_rate=share(wrong), mean_difference=Metric(value, low, high))
    counts = {"entities": sum(parts), **dict(zip(CLASSES, parts, strict=True)), "stale": parts[0], "ahead": 0}
    first = report(replace(measured, counts=counts), at=iso(at))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.json"
        file.write_text(render(first))
        stored = read_baseline(file)
    assert stored.features == baseline_of(first).features
    held = hold_against(replace(first, created_at=SECOND), stored)
    baseline_of(held)


def test_reports_of_every_verdict_are_read(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(render(whole_report()), encoding="utf-8")
    read_baseline(tmp_path / "baseline.json")
    read_baseline(Path(__file__).parents[1] / "cli" / "golden" / "report.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


DAMAGE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=3),
    st.just([]), st.just({}), st.just([None]), st.just({"low": "x"}),
)  # fmt: skip


@settings(max_examples=400)
@given(st.data())
def test_damage_anywhere_is_refused_or_does_no_harm(data: st.DataObject) -> None:
    """A report with any one value replaced, or left out, is read or refused; if it is read, a run can be held against it."""
    failing = feature(mismatch_rate=share(500), mean_difference=Metric(1.0, 0.5, 2.0, 0.1, Verdict.FAIL))
    first = report(failing, findings=(finding("5 of 9"),))
    now = replace(first, run_id="later", created_at=SECOND)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.json"
        file.write_text(render(first))
        content = json.loads(render(hold_against(now, read_baseline(file))))
        *path, last = data.draw(st.sampled_from([place for place in places(content) if place]))
        inside = content
        for key in path:
            inside = inside[key]
        if data.draw(st.booleans()):
            inside[last] = data.draw(DAMAGE)
        else:
            del inside[last]
        file.write_text(json.dumps(content))
        try:
            baseline = read_baseline(file)
        except ConfigError:
            return
        render(hold_against(now, baseline))
