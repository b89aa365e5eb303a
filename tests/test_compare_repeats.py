"""`compare()` of tables in which keys repeat: the same rows are one, and of rows that contradict each other none is picked."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import without_run
from scipy.stats import hypergeom

from feast_skew import SkewReport, compare
from feast_skew.judging.limits import Share, settle
from feast_skew.report import FeatureResult, Verdict

MIDNIGHT = datetime(2024, 1, 1, tzinfo=timezone.utc)


def feature(report: SkewReport, name: str = "x") -> FeatureResult:
    return next(found for found in report.features if found.feature == name)


def counts(found: FeatureResult) -> dict[str, int]:
    return {name: count for name, count in found.counts.items() if count and name != "entities"}


def at(hour: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


def codes(report: SkewReport) -> list[str]:
    return [finding.code for finding in report.findings]


def numbered(size: int, **others: Any) -> dict[str, Any]:
    return {"id": list(range(size)), "x": [float(i) for i in range(size)], **others}


def with_rows(columns: dict[str, Any], *rows: tuple[Any, ...]) -> dict[str, Any]:
    return {name: [*column, *(row[i] for row in rows)] for i, (name, column) in enumerate(columns.items())}


@pytest.mark.parametrize("side", ["offline", "online"])
def test_rows_that_are_the_same_are_one_row(side: str) -> None:
    clean = {"id": [1, 2, 3, 4], "x": [1.0, float("nan"), -0.0, 4.0], "s": ["a", None, "", "d"]}
    repeated = with_rows(clean, (2, None, None), (3, 0.0, ""), (3, -0.0, ""), (4, 4.0, "d"))
    tables = {"offline": clean, "online": clean, side: repeated}
    report = compare(tables["offline"], tables["online"], ["id"])
    assert report.verdict is Verdict.PASS
    assert counts(feature(report)) == {"match": 3, "null_both": 1}
    assert report.sample["population"] == 4
    assert [(finding.code, finding.severity) for finding in report.findings] == [("FS209", "info")]
    assert report.findings[0].detail.startswith(f"4 {side} rows repeat another row")
    assert "(3 keys)" in report.findings[0].detail


def test_a_difference_within_tolerance_is_a_contradiction_too() -> None:
    """Tolerance is between the stores; which of two rows a pipeline took cannot be told from it."""
    report = compare(with_rows(numbered(3), (2, 2.0 + 1e-12)), numbered(3), ["id"])
    assert codes(report) == ["FS208"]
    assert feature(report).counts["entities"] == 2


@pytest.mark.parametrize("side", ["offline", "online"])
def test_few_contradictions_can_pass_or_fail_and_many_are_inconclusive(side: str) -> None:
    """The budget is one in a thousand: 2 of 2,000 may be wrong, whichever."""

    def verdict(ambiguous: int, wrong: int) -> tuple[FeatureResult, SkewReport]:
        clean = numbered(2000)
        odd = with_rows(clean, *((i, -1.0) for i in range(ambiguous)))
        bent = {**clean, "x": [x + (i >= 2000 - wrong) for i, x in enumerate(clean["x"])]}
        tables = {"offline": bent, "online": bent, side: odd}
        report = compare(tables["offline"], tables["online"], ["id"])
        return feature(report), report

    for ambiguous, wrong, expected in (
        (0, 2, "pass"),
        (2, 0, "pass"),
        (1, 1, "pass"),
        (3, 0, "inconclusive"),
        (1, 2, "inconclusive"),
        (2000, 0, "inconclusive"),
        (500, 3, "fail"),
        (5, 3, "fail"),
    ):
        found, report = verdict(ambiguous, wrong)
        assert found.verdict.value == expected, (ambiguous, wrong)
        assert (report.sample["entities"], report.sample["population"]) == (2000 - ambiguous, 2000)
        if 0 < ambiguous < 2000:
            rate = found.metrics["mismatch_rate"]
            assert (rate.low, rate.high) == (wrong / 2000, (wrong + ambiguous) / 2000)
            assert rate.extra["ambiguous"] == ambiguous
            assert found.metrics["presence_rate"].verdict is Verdict.PASS
            finding = report.findings[0]
            assert (finding.code, finding.severity) == ("FS208", "warn")
            assert finding.detail.startswith(f"{ambiguous:,} keys have {2 * ambiguous:,} {side} rows")
    found, _ = verdict(3, 0)
    assert "3 ambiguous entities may be wrong" in " ".join(found.reasons)
    found, _ = verdict(2000, 0)
    assert found.reasons == ("all 2,000 entities of table have rows that contradict each other",)


def test_an_ambiguous_key_of_one_table_only_is_still_missing_in_the_other() -> None:
    report = compare(
        {"id": [1, 2, 2], "x": [1, 2, 3]}, {"id": [1, 3, 3], "x": [1, 4, 5]}, ["id"], {"show_entities": True}
    )
    assert counts(feature(report)) == {"match": 1, "offline_only": 1, "online_only": 1}
    assert codes(report) == ["FS208", "FS208"]
    shown = {example.key["id"]: (example.offline, example.online) for example in feature(report).examples}
    assert shown == {2: (None, None), 3: (None, None)}


def test_with_timestamps_only_the_row_that_is_held_matters() -> None:
    """`old` contradicts itself at an instant that nothing is held against, `held` at the online one, `latest` behind it."""
    rows = [("old", 1, 7), ("old", 1, 8), ("old", 2, 1), ("held", 2, 1), ("held", 2, 2), ("latest", 2, 1)]
    rows += [("latest", 3, 1), ("latest", 3, 2), ("same", 2, 1), ("same", 2, 1), ("never", 5, 1), ("never", 5, 2)]
    offline = {"id": [r[0] for r in rows], "event_timestamp": [at(r[1]) for r in rows], "x": [r[2] for r in rows]}
    online = {"id": ["old", "held", "latest", "same", "never"], "event_timestamp": [at(2)] * 5, "x": [1] * 5}
    report = compare(offline, online, ["id"])
    # The row of `never` lies behind the online one: it is the only one that there is to hold against.
    assert counts(feature(report)) == {"match": 3, "stale": 1}
    assert report.sample["population"] == 5
    assert [(finding.code, finding.detail.split(" rows")[0]) for finding in report.findings] == [
        ("FS208", "4 keys have 8 offline"),
        ("FS209", "1 offline"),
    ]
    for within, left in (("0s", 3), ("1h", 2)):  # 2 h with `latest` is nearer: the aligned row is still at 2
        near = {**online, "event_timestamp": [at(2), at(2), at(2.75), at(2), at(2)]}
        found = feature(compare(offline, near, ["id"], {"defaults": {"align_within": within}}))
        assert found.counts["entities"] == left


def test_created_timestamps_decide_before_anything_is_ambiguous() -> None:
    def table(*rows: tuple[str, int, float]) -> dict[str, Any]:
        return {
            "id": [row[0] for row in rows],
            "event_timestamp": [at(1)] * len(rows),
            "created_timestamp": [at(row[1]) for row in rows],
            "x": [row[2] for row in rows],
        }

    online = {"id": ["a", "b"], "event_timestamp": [at(1)] * 2, "x": [2.0, 2.0]}
    report = compare(table(("a", 2, 1.0), ("a", 2, 5.0), ("a", 3, 2.0), ("b", 3, 2.0), ("b", 3, 2.0)), online, ["id"])
    assert counts(feature(report)) == {"match": 2}
    report = compare(table(("a", 2, 1.0), ("a", 3, 5.0), ("a", 3, 2.0), ("b", 3, 2.0)), online, ["id"])
    assert counts(feature(report)) == {"match": 1}
    assert report.sample["population"] == 2


def test_online_rows_of_one_key_must_agree_in_their_timestamps() -> None:
    offline = {"id": [1, 2], "event_timestamp": [at(1)] * 2, "x": [1, 2]}
    online = {"id": [1, 2, 2], "event_timestamp": [at(1), at(1), at(2)], "x": [1, 2, 2]}
    report = compare(offline, online, ["id"])
    assert counts(feature(report)) == {"match": 1}
    assert codes(report) == ["FS208"]


def test_offline_rows_without_a_timestamp_are_told() -> None:
    offline = {"id": [1, 2, 3], "event_timestamp": [at(1), None, None], "x": [1, 2, 3]}
    online = {"id": [1, 2], "event_timestamp": [at(1), at(1)], "x": [1, 2]}
    report = compare(offline, online, ["id"])
    assert counts(feature(report)) == {"match": 1, "online_only": 1}
    assert [finding.detail for finding in report.findings] == [
        "2 offline rows have no event_timestamp and were left out"
    ]


def test_a_population_counts_the_ambiguous_ones() -> None:
    tables = with_rows(numbered(10), (0, 5.0)), numbered(10)
    report = compare(*tables, ["id"], population=40)
    rate = feature(report).metrics["mismatch_rate"]
    # 9 of the 39 readable ones were read and none is wrong; the tenth may be.
    most = max(k for k in range(31) if hypergeom.cdf(0, 39, k, 9) > 0.05)
    assert rate.high == (most + 1) / 40
    assert rate.low == 0.0


@given(
    st.integers(1, 25).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, 6), st.integers(0, 20)).flatmap(
            lambda t: st.tuples(*map(st.just, t), st.integers(0, t[1]))
        )
    ),
    st.sampled_from([0.0, 0.05, 0.1, 0.29, 0.5, 1.0]),
)
def test_a_share_with_ambiguous_ones_is_the_worst_of_all_ways_to_decide_them(
    drawn: tuple[int, int, int, int, int], budget: float
) -> None:
    """Bounds and p-value against every number of wrong ones among those that nobody can check."""
    extra, checked, ambiguous, unread, wrong = drawn
    readable = checked + unread + (extra if not checked + unread else 0)
    population = readable + ambiguous
    share = Share(wrong, checked, population, budget, ambiguous)
    bounds = share.bounds(0.95)
    if not checked:
        assert bounds is None
        assert share.p_value == 1.0
        return
    assert bounds is not None
    low = min(k for k in range(wrong, readable + 1) if hypergeom.sf(wrong - 1, readable, k, checked) > 0.05 + 1e-12)
    ways = range(readable - (checked - wrong) + 1)
    high = max(k for k in ways if hypergeom.cdf(wrong, readable, k, checked) > 0.05 + 1e-12)
    assert bounds.low == pytest.approx(min(low / population, wrong / checked))
    assert bounds.high == pytest.approx(max((high + ambiguous) / population, wrong / checked))
    allowed = int(round(budget * 100) * population // 100)
    worst = max(
        hypergeom.sf(wrong - 1, readable, min(readable, max(allowed - odd, 0)), checked) for odd in range(ambiguous + 1)
    )
    assert share.p_value == pytest.approx(worst, abs=1e-9)
    (metric,) = settle([share], 0.95)
    assert metric is not None
    if ambiguous:
        assert metric.extra["ambiguous"] == ambiguous
        assert metric.extra["needed"] is None


Rows = list[tuple[Any, ...]]
ROW = st.tuples(
    st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 2), st.sampled_from([0.0, 1.0, None, float("nan")])
)


def oracle(offline: Rows, online: Rows, timed: bool) -> tuple[dict[str, int], int]:
    """Every class counted by loops, and the number of ambiguous entities."""

    def clean(value: float | None) -> float | None:
        return None if value is None or value != value else value  # noqa: PLR0124  NaN is not itself

    history: dict[int, dict[int, set[Any]]] = defaultdict(lambda: defaultdict(set))
    now: dict[int, set[Any]] = defaultdict(set)
    for key, hour, value in offline:
        if key is not None:
            history[key][hour if timed else 0].add(clean(value))
    for key, hour, value in online:
        if key is not None:
            now[key].add((hour if timed else 0, clean(value)))
    tally: dict[str, int] = defaultdict(int)
    ambiguous = 0
    for key in {*history, *now}:
        if key not in now or key not in history:
            tally["offline_only" if key in history else "online_only"] += 1
            continue
        if len(now[key]) > 1:
            ambiguous += 1
            continue
        ((hour, value),) = now[key]
        hours = sorted(history[key])
        earlier = [found for found in hours if found <= hour]
        held = earlier[-1] if earlier else hours[-1]
        if len(history[key][held]) > 1:
            ambiguous += 1
            continue
        if held != hour:
            tally["unaligned"] += 1
            continue
        (known,) = history[key][held]
        if known is None or value is None:
            both = known is None and value is None
            tally["null_both" if both else "null_offline" if known is None else "null_online"] += 1
        else:
            tally["match" if known == value else "mismatch"] += 1
    return {name: count for name, count in tally.items() if count}, ambiguous


@settings(max_examples=200)
@given(st.lists(ROW, max_size=14), st.lists(ROW, max_size=10), st.booleans(), st.randoms(use_true_random=False))
def test_repeats_are_counted_as_by_a_loop_in_any_order_of_rows(
    offline: Rows, online: Rows, timed: bool, random: Any
) -> None:
    def table(rows: Rows) -> pa.Table:
        columns = {
            "id": pa.array([row[0] for row in rows], pa.int64()),
            "x": pa.array([row[2] for row in rows], pa.float64(), from_pandas=False),
        }
        if timed:
            columns["event_timestamp"] = pa.array([at(row[1]) for row in rows], pa.timestamp("us", "UTC"))
        return pa.table(columns)

    report = compare(table(offline), table(online), ["id"])
    expected, ambiguous = oracle(offline, online, timed)
    found = {name: count for name, count in counts(feature(report)).items() if name not in ("stale", "ahead")}
    assert found == expected
    assert report.sample["population"] == sum(expected.values()) + ambiguous
    random.shuffle(offline)
    random.shuffle(online)
    again = compare(table(offline), table(online), ["id"])
    assert without_run(report) == without_run(again)


@pytest.mark.parametrize("contradicts", [False, True])
def test_the_report_counts_the_entities_that_offline_knows(contradicts: bool) -> None:
    """Ambiguous ones too; those of the online table alone are not among them."""
    offline = {"id": [1, 1, 2, 3, None], "x": [1, 9 if contradicts else 1, 2, 3, 4]}
    report = compare(offline, {"id": [1, 2, 4, 5], "x": [1, 2, 4, 5]}, ["id"])
    (entry,) = report.sample["key_sets"]
    assert entry["views"]["table"]["known_offline"] == 3
    assert entry["views"]["table"]["null_keys"] == 1


def test_many_repeats_are_quick_and_exact() -> None:
    """Each key is there three times offline; every hundredth contradicts itself."""
    size = 20_000
    ids = np.tile(np.arange(size), 3)
    values = np.where((np.arange(len(ids)) < size) & (ids % 100 == 0), -1.0, ids * 1.0)
    report = compare({"id": ids, "x": values}, {"id": np.arange(size), "x": np.arange(size) * 1.0}, ["id"])
    assert counts(feature(report)) == {"match": size - size // 100}
    assert codes(report) == ["FS208", "FS209"]
    assert f"{2 * (size - size // 100):,} offline rows repeat" in report.findings[1].detail
