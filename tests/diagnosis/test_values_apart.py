"""Two pipelines that never share a timestamp: what was done to one value, told by what undoes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import FeatureResult, Verdict

ENTITIES, DAYS = 600, 6
DAY = np.timedelta64(86_400_000_000, "us")
START = np.datetime64("2026-01-01", "us")
MOMENT = pa.timestamp("us", "UTC")
Random = np.random.Generator
Change = Callable[[np.ndarray, Random], Any]


def history(kind: str, random: Random) -> tuple[np.ndarray, np.ndarray]:
    """Give offline values, a row per entity and a column per day, and what online holds half a day later."""
    shape = (ENTITIES, DAYS)
    if kind == "words":
        words = np.array(["EWR", "JFK", "LGA", "BOS", "ORD"], dtype=object)[random.integers(0, 5, ENTITIES)]
        values = np.where(random.random(shape) < 0.02, "ATL", words[:, None])
        return values, values[:, -1]
    if kind == "counts":
        values = random.poisson(20, ENTITIES)[:, None] + random.integers(0, 2, shape)
        return values, values[:, -1] + random.integers(0, 2, ENTITIES)
    if kind == "shares":
        values = np.clip(random.beta(2, 3, ENTITIES)[:, None] + random.normal(0, 0.01, shape), 0.001, 0.999)
        return values, np.clip(values[:, -1] + random.normal(0, 0.005, ENTITIES), 0.001, 0.999)
    if kind == "moments":
        values = 1_700_000_000 + np.broadcast_to(random.integers(0, 10**7, ENTITIES)[:, None], shape)
        return values, values[:, -1]
    sign = random.choice([-1, 1, 1], ENTITIES) if kind == "signed" else 1
    values = (sign * random.lognormal(3, 0.6, ENTITIES))[:, None] * (1 + random.normal(0, 0.05, shape))
    return values, values[:, -1] * (1 + random.normal(0, 0.03, ENTITIES))


def judged(kind: str, change: Change, seed: int = 0) -> FeatureResult:
    random = np.random.default_rng(seed)
    values, online = history(kind, random)
    nights = np.tile(START + np.arange(DAYS) * DAY, ENTITIES)
    changed = change(online, random)
    flat = pa.array(values.reshape(-1))
    if kind == "moments":
        flat, changed = flat.cast(pa.timestamp("s", "UTC")), pa.array(changed).cast(pa.timestamp("s", "UTC"))
    offline = {"id": np.repeat(np.arange(ENTITIES), DAYS), "event_timestamp": pa.array(nights, MOMENT), "x": flat}
    noon = pa.array(np.full(ENTITIES, START + DAYS * DAY - DAY // 2), MOMENT)
    found = compare(
        pa.table(offline), pa.table({"id": np.arange(ENTITIES), "event_timestamp": noon, "x": changed}), ["id"]
    )
    assert found.features[0].counts["unaligned"] == ENTITIES
    return found.features[0]


def filled(value: Any, share: float = 0.3) -> Change:
    def change(online: np.ndarray, random: Random) -> Any:
        values = online.astype(object).copy()
        values[random.random(ENTITIES) < share] = value
        return pa.array(values.tolist())

    return change


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("amounts", "log", lambda x, _: np.log(x)),
        ("amounts", "log10", lambda x, _: np.log10(x)),
        ("counts", "log1p", lambda x, _: np.log1p(x)),
        ("amounts", "sqrt", lambda x, _: np.sqrt(x)),
        ("amounts", "square", lambda x, _: x * x),
        ("amounts", "reciprocal", lambda x, _: 1 / x),
        ("shares", "exp", lambda x, _: np.exp(x)),
        ("shares", "logit", lambda x, _: np.log(x / (1 - x))),
        ("shares", "affine", lambda x, _: 1 - x),
        ("signed", "abs", lambda x, _: np.abs(x)),
        ("amounts", "clip", lambda x, _: np.minimum(x, 30.0)),
        ("signed", "clip", lambda x, _: np.clip(x, -10.0, 20.0)),
        ("signed", "standardise", lambda x, _: (x - x.mean()) / x.std()),
    ],
)
def test_transform(kind: str, name: str, change: Change, seed: int) -> None:
    found = judged(kind, change, seed)
    assert found.verdict is Verdict.FAIL
    (cause,) = found.causes
    assert (cause.code, cause.share, cause.evidence["name"]) == ("transform", 1.0, name)
    if name == "clip":
        limits = {"high": 30.0} if kind == "amounts" else {"low": -10.0, "high": 20.0}
        assert cause.evidence["parameters"] == limits


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("kind", "code", "change"),
    [
        ("amounts", "sign", lambda x, _: -x),
        ("signed", "sign", lambda x, _: -x),
        ("amounts", "constant", lambda x, _: np.full(len(x), 7.0)),
        ("words", "constant", lambda x, _: np.full(len(x), "none")),
        ("amounts", "default_fill", filled(-1.0)),
        ("counts", "default_fill", filled(0)),
        ("amounts", "null_fill", filled(None)),
        ("amounts", "null_fill", filled(None, 0.06)),
        ("words", "null_fill", filled(None)),
        ("moments", "timezone", lambda x, _: x - 18000),
    ],
)
def test_sign_constant_fills_and_zones(kind: str, code: str, change: Change, seed: int) -> None:
    found = judged(kind, change, seed)
    assert found.verdict is Verdict.FAIL
    assert (found.causes[0].code, found.causes[0].share) == (code, 1.0), found.causes
    expected = {"constant": ("value", "none" if kind == "words" else 7.0), "timezone": ("offset_seconds", -18000)}
    expected["default_fill"] = ("value", 0 if kind == "counts" else -1.0)
    if code in expected:
        name, value = expected[code]
        assert found.causes[0].evidence[name] == value
    if code.endswith("_fill"):
        assert found.causes[0].evidence["entities"] < 0.4 * ENTITIES  # those that were filled, though all are explained


@pytest.mark.parametrize("kind", ["amounts", "counts", "shares", "words"])
def test_online_values_that_are_all_null(kind: str) -> None:
    """No number is left to be looked at, and nothing breaks over that."""
    found = judged(kind, lambda x, _: pa.nulls(len(x), pa.string() if kind == "words" else pa.array(x).type))
    assert [(cause.code, cause.share) for cause in found.causes] == [("null_fill", 1.0)]
    assert found.causes[0].evidence["share"] == 1.0


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda x, g: g.permutation(x),
        lambda x, g: x * (1 + g.normal(0, 0.3, len(x))),
        lambda x, g: np.where(g.random(len(x)) < 0.5, np.sqrt(np.abs(x)), -x),
        lambda x, g: np.where(g.random(len(x)) < 0.3, g.choice(x, len(x)), x),
        lambda x, g: x * g.integers(1, 6, len(x)),
        lambda x, g: g.choice([10.0, 20.0, 30.0], len(x)),
    ],
)
@pytest.mark.parametrize("kind", ["amounts", "signed"])
def test_nothing_is_claimed_that_is_not_there(kind: str, change: Change, seed: int) -> None:
    found = judged(kind, change, seed)
    assert [cause.code for cause in found.causes] in (["unknown"], []), found.causes
