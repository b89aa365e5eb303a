"""Metrics for Prometheus, read back by the parser of its client."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from reports import report

from feast_skew.render.prometheus import LONGEST_LABEL, code_of, label, render
from feast_skew.report import Metric, SkewReport, Verdict

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text()
Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def full() -> SkewReport:
    """The report with everything that makes a metric."""
    first, *rest = report().features
    numbers = {name: Metric(0.25, 0.125, 0.5, 0.1, Verdict.FAIL, {"noise": 0.01}) for name in
               ("mismatch_rate", "presence_rate", "late_rate", "psi", "mean_difference", "variance_ratio",
                "null_rate_difference", "unaligned_difference")}  # fmt: skip
    return replace(report(), features=(replace(first, metrics=numbers, lag={"p50": 60.0, "p100": 86_400.0}), *rest))


def samples(text: str) -> Samples:
    """Parse; the same labels twice would make a server refuse everything."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            of = found.setdefault(sample.name, {})
            key = frozenset(sample.labels.items())
            assert key not in of, sample
            of[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    matching = [number for key, number in found[name].items() if labels.items() <= set(key)]
    assert len(matching) == 1
    return matching[0]


def test_the_run() -> None:
    found = samples(render(full()))
    assert value(found, "feast_skew_run_verdict") == 4
    assert value(found, "feast_skew_run_timestamp_seconds") == 1_388_620_800
    assert value(found, "feast_skew_run_entities") == 4_043
    assert value(found, "feast_skew_run_population") == 51_234
    counted = {verdict.value: value(found, "feast_skew_run_features", verdict=verdict.value) for verdict in Verdict}
    assert counted == {"pass": 2, "warn": 1, "fail": 1, "inconclusive": 1, "error": 1}
    assert value(found, "feast_skew_findings", code="FS204", severity="warn") == 1
    assert value(found, "feast_skew_run_info", feast="0.67.0", engine="local") == 1


def test_a_feature() -> None:
    found = samples(render(full()))
    who = {"view": "plane_delays", "feature": "avg_dep_delay"}
    assert value(found, "feast_skew_feature_verdict", **who) == 4
    assert value(found, "feast_skew_feature_entities", **who, **{"class": "mismatch"}) == 3_176
    assert value(found, "feast_skew_feature_overlay_entities", **who, overlay="stale") == 12
    assert value(found, "feast_skew_cause_ratio", **who, kind="what", cause="window") == 0.95
    assert value(found, "feast_skew_lag_seconds", **who, percentile="p100") == 86_400
    for name, number in (("", 0.25), ("_low", 0.125), ("_high", 0.5), ("_limit", 0.1)):
        assert value(found, f"feast_skew_mismatch_ratio{name}", **who) == number
    entities = [
        number for key, number in found["feast_skew_feature_entities"].items() if ("feature", "avg_dep_delay") in key
    ]
    assert sum(entities) == 4_037


def test_what_could_not_be_computed_is_left_out() -> None:
    text = render(report())
    assert "NaN" not in text
    assert "Inf" not in text
    assert "feast_skew_mean_difference" not in text
    assert "feast_skew_psi_limit" not in text
    auto = replace(report().features[0], metrics={"psi": Metric(0.1, limit="auto")})
    assert "feast_skew_psi_limit" not in render(replace(report(), features=(auto,)))


def test_labels_are_of_a_bounded_number() -> None:
    """What is new in each run (its id, its moment, a reason) makes no series of its own."""
    later = replace(full(), run_id="another", created_at="2015-01-02T00:00:00Z", features=tuple(
        replace(feature, reasons=("other words",), examples=()) for feature in full().features))  # fmt: skip
    first, second = samples(render(full())), samples(render(later))
    assert {name: set(of) for name, of in first.items()} == {name: set(of) for name, of in second.items()}


def test_verdicts_are_ordered() -> None:
    assert [verdict.value for verdict in sorted(Verdict, key=code_of)] == [
        "pass",
        "warn",
        "inconclusive",
        "error",
        "fail",
    ]
    assert {code_of(verdict) for verdict in Verdict} == set(range(5))


def test_the_page_names_every_metric_with_its_labels() -> None:
    found = samples(render(full()))
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in
              re.findall(r"^\| `(feast_skew_\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE)}  # fmt: skip
    assert listed == {name: set(dict(next(iter(of)))) for name, of in found.items()}


def test_nothing_of_this_process_and_nothing_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Feast's own server counts in the same library; files of its workers stay its own."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    before = [family.name for family in REGISTRY.collect()]
    first = render(full())
    assert render(full()) == first
    assert [family.name for family in REGISTRY.collect()] == before
    assert not list(tmp_path.iterdir())
    assert all(
        line.startswith(("# HELP feast_skew_", "# TYPE feast_skew_", "feast_skew_")) for line in first.splitlines()
    )


@given(st.text(st.characters(), max_size=300))
def test_labels_come_back(text: str) -> None:
    named = label(text)
    assert len(named) <= LONGEST_LABEL
    assert named.isprintable()
    feature = replace(report().features[0], view=text, owner=text)
    found = samples(render(replace(report(), features=(feature,))))
    assert value(found, "feast_skew_feature_info", view=named, owner=named) == 1


def test_names_that_are_alike_when_cut_stay_two() -> None:
    assert label("x" * 500) != label("x" * 501)
    assert label("a\n") != label("a\r") != label("a?")
    assert label("größe 測試") == "größe 測試"
    assert label('a"b\\c') == 'a"b\\c'


def test_no_features() -> None:
    found = samples(render(replace(report(), features=(), findings=())))
    assert value(found, "feast_skew_run_verdict") == code_of(Verdict.INCONCLUSIVE)
    assert "feast_skew_feature_verdict" not in found
