"""From drafts to results: verdicts, warnings, what is ignored, and the order of a report."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.config import RunSettings
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.equality import EXACT
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import FeaturePlan, Limits, ViewPlan
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.core.types import declared_type
from feast_skew.judging.claims import Claim
from feast_skew.judging.distributions import Description
from feast_skew.judging.feature import EMPTY_COUNTS, Draft, draft_feature, failed_draft, settle_drafts
from feast_skew.judging.whole import whole
from feast_skew.measuring.sampling import SampleSize
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import FeatureResult, Metric, Verdict, worst

TODAY = date(2026, 5, 1)
KEYS = KeySet((JoinKey("id", declared_type("Int64")),))
SECOND = 10**9


def draft(
    classes: dict[str, int],
    *,
    limits: Limits | None = None,
    name: str = "f",
    overlays: dict[str, int] | None = None,
    lag: int = SECOND,
    population: int | None = None,
    materialized: bool = True,
) -> Draft:
    """A feature with so many entities of each class; `overlays` marks the last ones."""
    kinds = [PairClass[key.upper()] for key, count in classes.items() for _ in range(count)]
    size = len(kinds)
    marks = {key: np.arange(size) >= size - (overlays or {}).get(key, 0) for key in ("stale", "ahead", "expired")}
    has_online = np.array([kind not in (PairClass.OFFLINE_ONLY, PairClass.ABSENT_BOTH) for kind in kinds], dtype=bool)
    has_offline = np.array([kind not in (PairClass.ONLINE_ONLY, PairClass.ABSENT_BOTH) for kind in kinds], dtype=bool)
    online = np.where(has_online, 0, NO_INSTANT)
    latest = np.where(marks["stale"], lag, 0)
    rows = RowState(
        online, latest, online, online, online, has_offline, marks["stale"], marks["ahead"], marks["expired"]
    )
    feature = FeaturePlan("v", name, declared_type("Float64"), EXACT, limits or Limits(), "owner", "runbook")
    view = ViewPlan("v", KEYS, (feature,), materialized=materialized)
    values = pa.array(np.arange(size, dtype=float))
    pairs = FeaturePairs(values, values, np.array(kinds, dtype=np.uint8))
    entities = pa.table({"id": np.arange(size)})
    measured = ViewMeasurement(view, entities, rows, {name: pairs}, np.empty(0, np.int64), {}, features=(feature,))
    known = size if population is None else population
    return draft_feature(whole(measured), feature, SampleSize(size, known, known - size), RunSettings())


def settled(one: Draft) -> FeatureResult:
    return settle_drafts([one], 0.95, TODAY)[0]


@pytest.mark.parametrize(
    ("classes", "verdict", "reason"),
    [
        ({"match": 1000}, "pass", ""),
        ({"match": 999, "mismatch": 1}, "pass", ""),
        ({"match": 998, "mismatch": 2}, "fail", "2 of 1,000 differ; budget 0.100%"),
        ({"match": 998, "null_online": 1, "null_offline": 1}, "fail", "2 of 1,000 differ"),
        ({"match": 990, "null_both": 10}, "pass", ""),
        ({"match": 998, "corrupt": 2}, "fail", "2 online values cannot be decoded"),
        ({"match": 999, "corrupt": 1}, "warn", "1 online values cannot be decoded"),
        ({"match": 999, "offline_only": 1}, "pass", ""),
        ({"match": 998, "offline_only": 1, "online_only": 1}, "fail", "2 of 1,000 are in one store only"),
        ({"match": 900, "absent_both": 100}, "pass", ""),
        ({"match": 900, "unaligned": 100}, "warn", "100 rows share no timestamp with offline"),
        ({"offline_only": 10}, "fail", "10 of 10 are in one store only"),
        ({"absent_both": 10}, "inconclusive", "no entity could be compared"),
        ({}, "inconclusive", "offline knows no entity of view v"),
    ],
)
def test_counts_become_a_verdict(classes: dict[str, int], verdict: str, reason: str) -> None:
    found = settled(draft(classes))
    assert found.verdict.value == verdict
    assert found.counts == {**EMPTY_COUNTS, **classes, "entities": sum(classes.values())}
    if reason:
        assert any(reason in text for text in found.reasons), found.reasons
    else:
        assert found.reasons == ()
    assert (found.owner, found.runbook, found.dtype) == ("owner", "runbook", "Float64")


@pytest.mark.parametrize(
    ("overlay", "text"),
    [
        ("stale", "3 online rows are older than the latest offline row"),
        ("ahead", "3 online rows are newer than the latest offline row"),
        ("expired", "3 online rows are past the view's ttl"),
    ],
)
def test_freshness_warns(overlay: str, text: str) -> None:
    found = settled(draft({"match": 1000}, overlays={overlay: 3}))
    assert found.verdict is Verdict.WARN
    assert found.counts[overlay] == 3
    assert any(text in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("stale", "lag", "max_lag", "verdict"),
    [
        (1000, SECOND, None, "warn"),
        (1000, SECOND, SECOND, "pass"),
        (1000, SECOND + 1000, SECOND, "fail"),
        (2, SECOND + 1000, SECOND, "fail"),
        (1, SECOND + 1000, SECOND, "pass"),
        (0, 0, 0, "pass"),
    ],
)
def test_max_lag_makes_stale_rows_fail(stale: int, lag: int, max_lag: int | None, verdict: str) -> None:
    found = settled(draft({"match": 1000}, overlays={"stale": stale}, lag=lag, limits=Limits(max_lag=max_lag)))
    assert found.verdict.value == verdict
    assert ("late_rate" in found.metrics) == (max_lag is not None)
    if verdict == "fail":
        assert found.reasons[0].startswith(f"{stale:,} of 1,000 lag more than max_lag")


def test_a_sample_stands_for_its_population() -> None:
    """Nine in ten were read: the tenth may hold more wrong ones than the budget of 0."""
    found = settled(draft({"match": 900}, population=1000, limits=Limits(mismatch_budget=0.0, presence_budget=0.0)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.metrics["mismatch_rate"].high == 1 / 1000
    assert any("950 entities would decide" in reason for reason in found.reasons)
    assert settled(draft({"match": 950}, population=1000, limits=Limits(0.0, 0.0))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("classes", "until", "verdict", "first"),
    [
        ({"mismatch": 10}, date(2026, 5, 1), "warn", "ignored until 2026-05-01: being mended"),
        ({"mismatch": 10}, date(2026, 12, 1), "warn", "ignored until 2026-12-01: being mended"),
        ({"mismatch": 10}, date(2026, 4, 30), "fail", "10 of 10 differ; budget 0.100%"),
        ({"match": 10}, date(2026, 5, 2), "pass", "ignored until 2026-05-02: being mended"),
    ],
)
def test_an_ignored_feature_warns_until_its_date(
    classes: dict[str, int], until: date, verdict: str, first: str
) -> None:
    limits = Limits(ignored=f"ignored until {until}: being mended", ignored_until=until)
    found = settled(draft(classes, limits=limits))
    assert found.verdict.value == verdict
    assert found.reasons[0] == first
    if verdict == "fail":
        assert found.reasons[-1] == f"no longer ignored until {until}: being mended"
    elif classes.get("mismatch"):
        assert found.metrics["mismatch_rate"].verdict is Verdict.FAIL


def test_a_view_that_was_never_materialized_is_not_measured() -> None:
    found = settled(draft({"offline_only": 10}, materialized=False))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.metrics["mismatch_rate"].value is None
    assert found.metrics["mismatch_rate"].verdict is Verdict.INCONCLUSIVE
    assert "was never materialized" in found.reasons[0]
    assert settled(draft({"offline_only": 9, "match": 1}, materialized=False)).verdict is Verdict.FAIL


def test_results_come_worst_first() -> None:
    view = ViewPlan("v", KEYS, ())
    lost = failed_draft(view, FeaturePlan("v", "lost", declared_type("Int64"), EXACT, Limits()), "the store is gone")
    drafts = [
        draft({"match": 1000}, name="sound"),
        draft({"match": 1000}, name="agrees"),
        draft({"match": 1000}, name="late", overlays={"stale": 1}),
        lost,
        draft({"match": 10}, name="few", population=10**6),
        draft({"match": 500, "mismatch": 500}, name="half"),
        draft({"match": 10, "mismatch": 990}, name="most"),
        draft({"match": 500, "mismatch": 500}, name="also_half"),
    ]
    found = settle_drafts(drafts, 0.95, TODAY)
    assert [f.feature for f in found] == ["most", "also_half", "half", "lost", "few", "late", "agrees", "sound"]
    assert found[3].verdict is Verdict.ERROR
    assert found[3].reasons == ("the store is gone",)
    assert found == settle_drafts(drafts[::-1], 0.95, TODAY)


def test_what_is_not_measured_takes_no_part_in_the_adjustment() -> None:
    """p = 0.049 fails alone; features without data must not weaken it, clean ones do."""
    doubtful: dict[str, Any] = {"classes": {"match": 9984, "mismatch": 16}, "population": 10**9}
    empty = [draft({}, name=f"e{i}") for i in range(5)]
    found = settle_drafts([draft(**doubtful), *empty], 0.95, TODAY)
    assert found[0].verdict is Verdict.FAIL
    clean = [draft({"match": 10_000}, name=f"c{i}", population=10**9) for i in range(5)]
    found = settle_drafts([draft(**doubtful), *clean], 0.95, TODAY)
    assert {f.feature: f.verdict.value for f in found}["f"] == "inconclusive"


@pytest.mark.parametrize(
    ("claim", "verdict", "reason"),
    [
        (Claim(0.001, False), Verdict.FAIL, "psi 0.5 is beyond the limit 0.1"),
        (Claim(0.5, True), Verdict.PASS, ""),
        (Claim(0.5, False), Verdict.INCONCLUSIVE, "psi cannot be held against the limit 0.1: too little data"),
        (Claim(None, False), Verdict.INCONCLUSIVE, "psi cannot be held against the limit 0.1: too little data"),
    ],
)
def test_a_limit_on_a_distribution_decides_the_feature(claim: Claim, verdict: Verdict, reason: str) -> None:
    one = draft({"match": 1000})
    one.found = Description({"psi": Metric(0.5, limit=0.1)}, {"psi": claim})
    found = settled(one)
    assert found.verdict is verdict
    assert found.reasons == ((reason,) if reason else ())


def test_the_worst_verdict_decides() -> None:
    order = [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS]
    for i, verdict in enumerate(order):
        assert worst(order[i:][::-1]) is verdict
    assert worst([]) is Verdict.INCONCLUSIVE
