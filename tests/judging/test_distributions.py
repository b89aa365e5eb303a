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

from feast_skew.core.equality import EXACT, equal
from feast_skew.core.model import FeaturePlan, Limits
from feast_skew.core.types import declared_type
from feast_skew.judging.claims import settle_claims
from feast_skew.judging.distributions import Description, Shown, describe
from feast_skew.judging.profiling import profile_of
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.hashing import mix


def described(
    offline: Any, online: Any, dtype: str = "Float64", population: int | None = None, **limits: Any
) -> Description:
    declared = declared_type(dtype)
    feature = FeaturePlan("v", "f", declared, EXACT, Limits(**limits))
    off, on = (pa.array(side, declared.arrow, from_pandas=False) for side in (offline, online))
    same = equal(off, on, EXACT, declared.kind)
    profile = profile_of(feature, off, on, same, mix(np.arange(len(off))))
    return describe(feature, profile, Shown.of(off, on, same), confidence=0.95, population=population)


def metrics(
    offline: Any, online: Any, dtype: str = "Float64", population: int | None = None, **limits: Any
) -> dict[str, Metric]:
    """Judge the limits of one feature, as if it were alone in its run; a million entities unless said."""
    found = described(offline, online, dtype, population or 10**6, **limits)
    judged = {name: settle_claims([(found.metrics[name], claim)], 0.95)[0] for name, claim in found.claims.items()}
    return {**found.metrics, **judged}


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
NAMES = ("psi", "mean_difference", "variance_ratio", "null_rate_difference")
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
        assert metric.verdict is not Verdict.ERROR, name
        if metric.value is None:
            assert metric.verdict is Verdict.INCONCLUSIVE
            assert metric.extra["reason"]
        if not judged:
            assert metric.limit is None
            assert metric.verdict is (Verdict.INCONCLUSIVE if metric.value is None else Verdict.PASS)


def test_equal_columns_differ_by_nothing_and_pass_any_limit() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=500)
    for judged in (dict.fromkeys(LIMITS, 0.0) | {"variance": 1.0, "null_rate": 0.02}, dict.fromkeys(LIMITS, "auto")):
        found = metrics(values, values, population=500, **judged)
        assert {name: m.verdict.value for name, m in found.items()} == dict.fromkeys(found, "pass")
        assert (found["psi"].value, found["mean_difference"].value, found["variance_ratio"].value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("offline", "online", "there"),
    [
        ([None, None, None], [None, None, None], {"psi", "null_rate_difference"}),
        ([None, None, None], [1.0, 2.0, 3.0], {"psi", "null_rate_difference"}),
        ([1.0], [2.0], {"psi", "mean_difference", "variance_ratio", "null_rate_difference"}),
        ([5.0] * 20, [5.0] * 20, {"psi", "mean_difference", "variance_ratio", "null_rate_difference"}),
        ([5.0] * 20, list(range(20)), {"psi", "mean_difference", "null_rate_difference"}),
        ([math.inf] * 3, [-math.inf] * 3, {"psi", "null_rate_difference"}),
        (
            [1e308, -1e308] * 4,
            [-1e308, 1e308] * 4,
            {"psi", "mean_difference", "variance_ratio", "null_rate_difference"},
        ),
    ],
)
def test_what_makes_no_sense_has_no_value_and_is_no_pass(
    offline: list[Any], online: list[Any], there: set[str]
) -> None:
    for judged in ({}, LIMITS, dict.fromkeys(LIMITS, "auto")):
        found = metrics(offline, online, **judged)
        assert {name for name in NAMES if found[name].value is not None} == there
        for name, metric in found.items():
            no_nan(metric.to_dict())
            assert (metric.value is None) <= (metric.verdict is Verdict.INCONCLUSIVE), name


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
    assert metrics([5.0], [5.0], population=1, mean=0.1)["mean_difference"].verdict is Verdict.PASS


def test_a_limit_is_held_exactly_when_everybody_was_read() -> None:
    """No interval is left: 1 of 4 entities moves by 4, the means by 1, and offline has a standard deviation of 1.29."""
    offline, online = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 8.0]
    for limit, verdict in ((0.77, Verdict.FAIL), (0.78, Verdict.PASS)):
        found = metrics(offline, online, population=4, mean=limit)["mean_difference"]
        assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)
        assert found.verdict is verdict


def test_a_few_unseen_entities_may_differ() -> None:
    """Identical pairs prove agreement only as far as their number goes."""
    random = np.random.default_rng(0)
    few, many = random.normal(size=30), random.normal(size=3000)
    for limits in ({"mean": 0.1}, {"variance": 1.25}, {"psi": 0.05}, {"null_rate": 0.01}):
        verdicts = [
            next(m.verdict for m in metrics(values, values, **limits).values() if m.limit is not None)
            for values in (few, many)
        ]
        assert verdicts == [Verdict.INCONCLUSIVE, Verdict.PASS], limits


def test_auto_limits_are_adjusted_over_the_features_of_a_run() -> None:
    """Of 60 features whose noise is symmetric some look skewed by themselves, and none does among the others."""
    random = np.random.default_rng(4)
    claims = []
    for _ in range(60):
        values = random.normal(size=400)
        found = described(values, values + random.normal(size=400) / 4, population=10**6, mean="auto", psi="auto")
        claims.append((found.metrics["mean_difference"], found.claims["mean_difference"]))
    alone = [settle_claims([claim], 0.95)[0].verdict for claim in claims]
    together = settle_claims(claims, 0.95)
    assert Verdict.FAIL in [m.verdict for m in settle_claims(claims, 0.5)] or Verdict.FAIL in alone
    assert {m.verdict for m in together} == {Verdict.PASS}


def test_categories_have_a_psi_and_nothing_numeric() -> None:
    random = np.random.default_rng(0)
    offline = random.choice(["a", "b", "c"], 1000)
    online = np.where(random.random(1000) < 0.5, "new", offline)
    found = metrics(offline.tolist(), online.tolist(), "String", psi=0.5)
    assert set(found) == {"psi", "null_rate_difference", "jensen_shannon", "l_infinity", "stuart_maxwell"}
    assert found["psi"].verdict is Verdict.FAIL
    assert found["psi"].extra["labels"][-1] == "unseen"
    assert found["l_infinity"].extra["bin"] == "unseen"
    assert metrics([b"a"], [b"b"], "Bytes").keys() == {"null_rate_difference"}
    assert metrics([[1]], [[2]], "Array(Int64)").keys() == {"null_rate_difference"}


def test_categories_that_differ_are_shown_pair_by_pair() -> None:
    found = described(["a"] * 6 + ["b"] * 3 + [None], ["A"] * 6 + ["c", "c", "b"] + ["a"], "String")
    assert [(p["offline"], p["online"], p["rows"]) for p in found.confusion] == [
        ("a", "A", 6),
        ("b", "c", 2),
        (None, "a", 1),
    ]
    assert found.sides["offline"]["distinct"] == 2


def test_nested_values_name_the_paths_that_differ() -> None:
    found = described(['{"a":1,"b":{"c":2}}', '{"a":1}'], ['{"a":1,"b":{"c":3}}', '{"a":2}'], "Json")
    assert {path["path"]: path["rows"] for path in found.paths} == {"$.a": 1, "$.b.c": 1}


def test_vectors_have_an_angle() -> None:
    found = metrics([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [2.0, 0.0]], "Array(Float64)")
    assert found["cosine_similarity"].value == pytest.approx(0.5)
    assert found["cosine_similarity"].extra["least_cosine"] == pytest.approx(0.0)
    assert metrics([[0.0]], [[1.0]], "Array(Float64)")["cosine_similarity"].value is None


def test_movement_is_shown_beside_what_it_explains() -> None:
    """Where rows never align, offline's own movement is the yardstick, and `auto` is not asked."""
    feature = FeaturePlan("v", "f", declared_type("Float64"), EXACT, Limits(psi="auto", mean=0.1))
    column, other = pa.array([1.0, 2.0, 4.0]), pa.array([2.0, 3.0, 5.0])
    moved = {"psi": 0.1, "mean_difference": None, "variance_ratio": 0.2}
    same, order = np.zeros(3, bool), mix(np.arange(3))
    profile = profile_of(feature, column, other, same, order)
    found = describe(feature, profile, Shown.of(column, other, same), confidence=0.95, movement=moved)
    assert found.metrics["psi"].extra["movement"] == 0.1
    assert found.metrics["mean_difference"].extra["movement"] is None
    assert found.metrics["variance_ratio"].extra["movement"] == 0.2
    assert set(found.claims) == {"mean_difference"}
