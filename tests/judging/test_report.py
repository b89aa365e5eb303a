"""The report as JSON: whatever two tables hold, plain values, no NaN, and the fields that users rely on."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feast_skew import compare

LIMITS = (
    {},
    {"psi": 0.1, "mean": 0.1, "variance": 2.0, "null_rate": 0.1, "max_lag": "1h"},
    dict.fromkeys(("psi", "mean", "variance", "null_rate"), "auto"),
)
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
CELLS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "double": (pa.float64(), st.floats()),
    "float": (pa.float32(), st.floats(width=32)),
    "half": (pa.float16(), st.floats(width=16).map(np.float16)),
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small": (pa.int8(), st.integers(0, 3)),
    "text": (pa.string(), st.text(max_size=3)),
    "bytes": (pa.binary(), st.binary(max_size=3)),
    "yes": (pa.bool_(), st.booleans()),
    "moment": (pa.timestamp("us", "UTC"), st.integers(-(2**52), 2**52)),
    "day": (pa.date32(), st.integers(-10_000, 10_000)),
    "list": (pa.list_(pa.float64()), st.lists(st.one_of(st.none(), st.floats()), max_size=3)),
    "map": (pa.struct([("a", pa.int64())]), st.fixed_dictionaries({"a": st.integers(0, 3)})),
    "price": (pa.decimal128(8, 2), st.decimals(-1000, 1000, places=2)),
}
FIELDS = {
    "schema_version",
    "project",
    "run_id",
    "created_at",
    "engine",
    "as_of",
    "seed",
    "versions",
    "verdict",
    "settings",
    "sample",
    "features",
    "findings",
    "skipped",
    "scans",
    "expectations",
    "seconds",
}


@st.composite
def side(draw: st.DrawFn, names: list[str]) -> pa.Table:
    ids = draw(st.lists(st.integers(0, 12), unique=True, max_size=10))
    columns: dict[str, Any] = {"id": pa.array(ids, pa.int64())}
    for name in names:
        arrow, cells = CELLS[name]
        values = [draw(st.one_of(st.none(), cells)) for _ in ids]
        columns[name] = pa.array(values, pa.int64()).cast(arrow) if name == "moment" else pa.array(values, arrow)
    hours = [draw(st.integers(0, 2)) for _ in ids]
    columns["event_timestamp"] = pa.array([START + timedelta(hours=h) for h in hours], pa.timestamp("us", "UTC"))
    return pa.table(columns)


def plain(value: Any) -> None:
    if isinstance(value, dict):
        assert all(isinstance(name, str) for name in value)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            plain(part)
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)


@settings(max_examples=120)
@given(
    st.data(), st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4, unique=True), st.sampled_from(LIMITS)
)
def test_any_two_tables_give_a_report_that_is_json(
    data: st.DataObject, names: list[str], limits: dict[str, Any]
) -> None:
    offline, online = data.draw(side(names)), data.draw(side(names))
    if data.draw(st.booleans()):
        offline, online = offline.drop(["event_timestamp"]), online.drop(["event_timestamp"])
    report = compare(offline, online, ["id"], {"defaults": limits, "show_entities": True}).to_dict()
    plain(report)
    assert set(report) == FIELDS
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again == report
    for feature in report["features"]:
        counts = dict(feature["counts"])
        assert (
            sum(v for k, v in counts.items() if k not in ("entities", "stale", "ahead", "expired"))
            == counts["entities"]
        )
        for metric in feature["metrics"].values():
            assert set(metric) >= {"value", "limit", "verdict"}
        for example in feature["examples"]:
            assert set(example) == {"key", "offline", "online", "offline_timestamp", "online_timestamp", "class"}
        for cause in feature["causes"]:
            assert set(cause) == {"code", "kind", "share", "confidence", "detail", "evidence", "remedy"}
            assert 0 <= cause["share"] <= 1
            assert 0 <= cause["confidence"] <= 1
            assert cause["kind"] in ("what", "how")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("size", [1, 2, 60])
@pytest.mark.parametrize(
    "online", [[1e308, -1e308], [2**62, 2**62 + 1], [None, None], [5e-324, 0.0], [float("inf"), 1.0]]
)
def test_extremes_in_every_part_of_the_report(size: int, online: list[Any]) -> None:
    """Aligned and unaligned, with causes and quantiles of values at the ends of floating point."""
    ids = np.arange(size)
    values = (online * size)[:size]
    hours = [START + timedelta(hours=1)] * size
    left = {
        "id": np.tile(ids, 3),
        "x": values[::-1] * 3,
        "event_timestamp": np.repeat([START - timedelta(days=d) for d in (0, 1, 2)], size),
    }
    for limits in LIMITS:
        for right in ({"id": ids, "x": values}, {"id": ids, "x": values, "event_timestamp": hours}):
            offline = left if "event_timestamp" in right else {"id": ids, "x": values[::-1]}
            report = compare(offline, right, ["id"], {"defaults": limits}).to_dict()
            plain(report)
            json.dumps(report, allow_nan=False)
