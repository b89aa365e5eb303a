"""Distributions as metrics: judged when a limit is set, never NaN, whatever the columns hold."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import EXACT
from feast_skew.core.model import FeaturePlan, Limits
from feast_skew.core.types import declared_type
from feast_skew.judging.distributions import describe, metrics_of
from feast_skew.report import Metric, Verdict


def metrics(
    offline: Any, online: Any, dtype: str = "Float64", confidence: float = 0.95, **limits: Any
) -> dict[str, Metric]:
    declared = declared_type(dtype)
    feature = FeaturePlan("v", "f", declared, EXACT, Limits(**limits))
    sides = [pa.array(side, declared.arrow, from_pandas=False) for side in (offline, online)]
    return metrics_of(describe(feature, *sides, confidence), feature, confidence)


def no_nan(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            no_nan(part)
    elif isinstance(value, float):
        assert math.isfinite(value)
    else:
        assert value is None or isinstance(value, (str, int)), type(value)


HUGE = [0.0, -0.0, 1.0, 1e308, -1e308, 1.7e308, 5e-324, math.inf, -math.inf]
CELLS = {
    "Float64": st.one_of(st.none(), st.floats(allow_nan=False), st.sampled_from(HUGE)),
    "Float32": st.one_of(st.none(), st.floats(allow_nan=False, width=32)),
    "Int64": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**63 - 1, -(2**63), 0, 1])),
    "Bool": st.one_of(st.none(), st.booleans()),
    "String": st.one_of(st.none(), st.sampled_from(["", "a", "b", "null", "other"])),
    "Bytes": st.one_of(st.none(), st.binary(max_size=2)),
    "UnixTimestamp": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
    "Array(Int64)": st.one_of(st.none(), st.lists(st.integers(0, 2), max_size=2)),
}
LIMITS = {"psi": 0.1, "mean": 0.1, "variance": 1.5, "null_rate": 0.05}


@pytest.mark.parametrize("dtype", CELLS)
@given(data=st.data(), judged=st.sampled_from([{}, LIMITS, dict.fromkeys(LIMITS, "auto")]))
def test_metrics_are_never_nan(dtype: str, data: st.DataObject, judged: dict[str, Any]) -> None:
    cells = CELLS[dtype]
    rows = data.draw(st.lists(st.tuples(cells, cells), min_size=1, max_size=12))
    found = metrics([row[0] for row in rows], [row[1] for row in rows], dtype, **judged)
    assert "null_rate_difference" in found
    for name, metric in found.items():
        shown = metric.to_dict()
        no_nan(shown)
        json.dumps(shown, allow_nan=False)
        assert metric.value is not None
        assert metric.verdict is not Verdict.ERROR, name
        if not judged:
            assert metric.verdict is Verdict.PASS
            assert metric.limit is None


def test_equal_columns_differ_by_nothing_and_pass_any_limit() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=500)
    for judged in (dict.fromkeys(LIMITS, 0.0) | {"variance": 1.0, "null_rate": 0.02}, dict.fromkeys(LIMITS, "auto")):
        found = metrics(values, values, **judged)
        assert {name: m.verdict.value for name, m in found.items()} == dict.fromkeys(found, "pass")
        assert (found["psi"].value, found["mean_difference"].value, found["variance_ratio"].value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("offline", "online", "there"),
    [
        ([None, None, None], [None, None, None], {"psi", "null_rate_difference"}),
        ([None, None, None], [1.0, 2.0, 3.0], {"psi", "null_rate_difference"}),
        ([1.0], [2.0], {"psi", "mean_difference", "null_rate_difference"}),
        ([5.0] * 20, [5.0] * 20, {"psi", "mean_difference", "null_rate_difference"}),
        ([5.0] * 20, list(range(20)), {"psi", "mean_difference", "null_rate_difference"}),
        ([math.inf] * 3, [-math.inf] * 3, {"psi", "null_rate_difference"}),
        (
            [1e308, -1e308, 1e308],
            [-1e308, 1e308, -1e308],
            {"psi", "mean_difference", "variance_ratio", "null_rate_difference"},
        ),
    ],
)
def test_what_makes_no_sense_is_left_out(offline: list[Any], online: list[Any], there: set[str]) -> None:
    for judged in ({}, LIMITS, dict.fromkeys(LIMITS, "auto")):
        found = metrics(offline, online, **judged)
        assert set(found) == there
        for metric in found.values():
            no_nan(metric.to_dict())


def test_numbers_by_hand() -> None:
    """Online is offline plus 1, with two more nulls: mean difference 1, ratio 1, null rates 1/10 and 3/10."""
    offline = [None, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    online = [None, None, None, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    found = metrics(offline, online)
    assert found["mean_difference"].value == pytest.approx(1.0)
    both = [v for v, w in zip(offline, online, strict=True) if v is not None and w is not None]
    assert found["mean_difference"].extra["sd_offline"] == pytest.approx(statistics.stdev(both))
    assert found["mean_difference"].extra["n"] == 7
    assert found["variance_ratio"].value == pytest.approx(1.0)
    nulls = found["null_rate_difference"]
    assert (nulls.value, nulls.extra["offline"], nulls.extra["online"]) == (pytest.approx(0.2), 0.1, 0.3)
    assert nulls.low is not None
    assert nulls.high is not None
    assert nulls.low < 0.2 < nulls.high
    psi = found["psi"].extra
    assert sum(psi["offline"]) == pytest.approx(1.0)
    assert sum(psi["online"]) == pytest.approx(1.0)
    assert len(psi["labels"]) == len(psi["offline"]) == psi["bins"]


VALUES = np.random.default_rng(1).normal(100, 10, 2000)
NOISE = np.random.default_rng(2).normal(0, 1, 2000)
NOISE -= NOISE.mean()


@pytest.mark.parametrize(
    ("online", "limit", "value", "verdict"),
    [
        # mean: in standard deviations of offline, here about 10; the difference is known to about 0.04.
        (VALUES + NOISE + 5, "mean", 0.3, "fail"),
        (VALUES + NOISE + 5, "mean", 0.7, "pass"),
        (VALUES + NOISE + 5, "mean", 5 / VALUES.std(ddof=1), "inconclusive"),
        (VALUES + NOISE - 5, "mean", 0.3, "fail"),
        (VALUES + NOISE - 5, "mean", 0.7, "pass"),
        (VALUES + NOISE, "mean", "auto", "pass"),
        (VALUES + NOISE + 0.2, "mean", "auto", "fail"),
        # variance: a ratio, and its inverse is as far.
        (VALUES * 2, "variance", 3.0, "fail"),
        (VALUES * 2, "variance", 5.0, "pass"),
        (VALUES / 2, "variance", 3.0, "fail"),
        (VALUES / 2, "variance", 5.0, "pass"),
        (VALUES + NOISE, "variance", "auto", "fail"),
        (VALUES + 1, "variance", "auto", "pass"),
        (VALUES * 2 + NOISE, "variance", 4.0, "inconclusive"),
        # psi, less its noise.
        (VALUES + 10, "psi", 0.5, "fail"),
        (VALUES + 10, "psi", 2.0, "pass"),
        (VALUES + NOISE / 100, "psi", 0.001, "pass"),
        (VALUES + NOISE / 100, "psi", "auto", "pass"),
        (VALUES + 2, "psi", "auto", "fail"),
    ],
)
def test_limits_on_numbers(online: np.ndarray, limit: str, value: Any, verdict: str) -> None:
    found = metrics(VALUES, online, **{limit: value})
    names = {"mean": "mean_difference", "variance": "variance_ratio", "psi": "psi"}
    metric = found[names[limit]]
    assert metric.verdict.value == verdict, metric
    assert metric.limit == value
    others = [m for name, m in found.items() if name != names[limit]]
    assert all(m.verdict is Verdict.PASS and m.limit is None for m in others)


@pytest.mark.parametrize(
    ("nulls", "limit", "verdict"),
    [
        (0, 0.01, "pass"),
        (100, 0.01, "fail"),
        (100, 0.2, "pass"),
        (20, 0.02, "inconclusive"),
        (0, "auto", "pass"),
        (8, "auto", "fail"),
    ],
)
def test_limits_on_null_rates(nulls: int, limit: Any, verdict: str) -> None:
    """Of 1000; more nulls online and more nulls offline count alike."""
    full, emptied = ["a"] * 1000, [None] * nulls + ["a"] * (1000 - nulls)
    assert metrics(full, emptied, "String", null_rate=limit)["null_rate_difference"].verdict.value == verdict
    assert metrics(emptied, full, "String", null_rate=limit)["null_rate_difference"].verdict.value == verdict


def test_a_constant_column_has_no_standard_deviations_to_be_within() -> None:
    assert metrics([5.0] * 50, [5.0] * 50, mean=0.1)["mean_difference"].verdict is Verdict.PASS
    assert metrics([5.0] * 50, [6.0] * 50, mean=10.0)["mean_difference"].verdict is Verdict.FAIL
    assert metrics([5.0] * 2, [5.0, 6.0], mean=10.0)["mean_difference"].verdict is Verdict.INCONCLUSIVE
    assert metrics([5.0], [5.0], mean=0.1)["mean_difference"].verdict is Verdict.INCONCLUSIVE


def test_categories_have_a_psi_and_nothing_numeric() -> None:
    random = np.random.default_rng(0)
    offline = random.choice(["a", "b", "c"], 1000)
    online = np.where(random.random(1000) < 0.5, "new", offline)
    found = metrics(offline.tolist(), online.tolist(), "String", psi=0.5)
    assert set(found) == {"psi", "null_rate_difference"}
    assert found["psi"].verdict is Verdict.FAIL
    assert found["psi"].extra["labels"][-1] == "unseen"
    assert metrics([b"a"], [b"b"], "Bytes").keys() == {"null_rate_difference"}
    assert metrics([[1]], [[2]], "Array(Int64)").keys() == {"null_rate_difference"}


def test_movement_is_shown_beside_what_it_explains() -> None:
    feature = FeaturePlan("v", "f", declared_type("Float64"), EXACT, Limits())
    column = pa.array([1.0, 2.0, 4.0])
    found = metrics_of(
        describe(feature, column, column, 0.95), feature, 0.95, {"psi": 0.1, "mean": None, "variance": 0.2}
    )
    assert found["psi"].extra["movement"] == 0.1
    assert found["mean_difference"].extra["movement"] is None
    assert found["variance_ratio"].extra["movement"] == 0.2
