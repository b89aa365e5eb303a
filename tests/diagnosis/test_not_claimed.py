"""Causes that look right and are not: what must not be claimed, and what must be said instead."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import Verdict


def judged(offline: dict, online: dict):
    return compare(pa.table(offline), pa.table(online), keys=["id"]).features[0]


@pytest.mark.parametrize("spread", [1.0, 1e6])
def test_a_detour_through_float32_is_no_unit_and_no_offset(spread):
    values = np.random.default_rng(0).normal(50, 10, 4000) * spread
    found = judged({"id": np.arange(4000), "x": values}, {"id": np.arange(4000), "x": values.astype("f4").astype("f8")})
    assert found.verdict is Verdict.FAIL
    (cause,) = found.causes
    assert (cause.code, cause.evidence["type"]) == ("precision", "float32")


def test_counts_that_mostly_differ_by_one_have_no_offset():
    rng = np.random.default_rng(1)
    online = rng.poisson(2.0, 4000)
    gone = rng.choice([0, 1, 2], 4000, p=[0.5, 0.43, 0.07])
    offline = np.maximum(online - gone, 0)
    found = judged({"id": np.arange(4000), "n": offline}, {"id": np.arange(4000), "n": online})
    assert [cause.code for cause in found.causes] == ["unknown"]


def test_every_count_one_higher_is_an_offset():
    counts = np.random.default_rng(2).poisson(3.0, 4000)
    found = judged({"id": np.arange(4000), "n": counts}, {"id": np.arange(4000), "n": counts + 1})
    assert (found.causes[0].code, found.causes[0].evidence["offset"]) == ("offset", 1.0)


def test_one_second_on_whole_epoch_seconds_is_an_offset():
    seconds = 1_780_000_000 + np.random.default_rng(4).integers(0, 10**6, 4000)
    found = judged({"id": np.arange(4000), "t": seconds}, {"id": np.arange(4000), "t": seconds + 1})
    assert (found.causes[0].code, found.causes[0].evidence["offset"]) == ("offset", 1.0)


def test_a_category_that_fails_by_its_unaligned_rows_has_a_cause():
    rng = np.random.default_rng(3)
    names = np.array(["north", "south", "east", "west"])[rng.integers(0, 4, 400)]
    nights = np.array(["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"], dtype="datetime64[us]")
    offline = {"id": np.tile(np.arange(400), 4), "event_timestamp": np.repeat(nights, 400), "c": np.tile(names, 4)}
    instant = np.full(400, np.datetime64("2026-05-04T09:30:00", "us"))
    online = {"id": np.arange(400), "event_timestamp": instant, "c": np.char.upper(names)}
    found = judged(offline, online)
    assert found.verdict is Verdict.FAIL
    (cause,) = found.causes
    assert (cause.code, cause.share, cause.evidence["spelling"]) == ("encoding", 1.0, "upper case")
    assert sorted(cause.evidence["mapping"]) == [[name, name.upper()] for name in ("east", "north", "south", "west")]


@pytest.mark.parametrize(("entities", "pushed"), [(300, 10), (300, 16), (300, 150), (10, 1), (5, 1)])
def test_rows_pushed_ahead_of_a_table_of_latest_rows_only_warn(entities, pushed):
    night = np.full(entities, np.datetime64("2026-05-04", "us"))
    instants = night.copy()
    instants[:pushed] += np.timedelta64(9, "h")
    values = np.arange(entities) * 1.5
    offline = {"id": np.arange(entities), "event_timestamp": night, "x": values}
    found = judged(offline, {"id": np.arange(entities), "event_timestamp": instants, "x": values})
    assert found.counts["unaligned"] == found.counts["ahead"] == pushed
    assert found.verdict is Verdict.WARN
