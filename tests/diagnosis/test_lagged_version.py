"""`lagged_version`: values of some versions earlier under the present timestamp, and histories that only look alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import Cause, FeatureResult

SIZE = 2_000
DAYS = 8
SEVERITIES = (0.005, 0.05, 1.0)
SEEDS = (0, 1)
BASE = np.datetime64("2024-01-01T00:00:00", "us")
DAY = np.timedelta64(86_400_000_000, "us")
Random = np.random.Generator
History = np.ndarray
"""Values by day and entity; the last day is the present one."""


def judged(history: History, online: Any, arrow: pa.DataType | None = None) -> FeatureResult:
    """Hold online values under the present timestamp against the whole history."""
    days, size = history.shape
    ids = np.tile(np.arange(size), days)
    moments = np.repeat(BASE + np.arange(days) * DAY, size)
    order = np.random.default_rng(9).permutation(days * size)
    offline = pa.table({"id": ids, "event_timestamp": moments, "x": pa.array(history.ravel(), arrow, from_pandas=True)})
    sides = {"id": np.arange(size), "event_timestamp": np.full(size, BASE + (days - 1) * DAY)}
    there = pa.table({**sides, "x": pa.array(online, arrow, from_pandas=True)})
    return compare(offline.take(pa.array(order)), there, ["id"]).features[0]


def lag(found: FeatureResult) -> Cause | None:
    return next((cause for cause in found.causes if cause.code == "lagged_version"), None)


def some(random: Random, share: float) -> np.ndarray:
    chosen = np.zeros(SIZE, dtype=bool)
    chosen[random.permutation(SIZE)[: round(share * SIZE)]] = True
    return chosen


def amounts(random: Random) -> History:
    return random.lognormal(3, 1, (DAYS, SIZE))


def walk(random: Random) -> History:
    """Slow: half of the values are those of the day before."""
    steps = random.normal(0, 0.1, (DAYS, SIZE)) * (random.random((DAYS, SIZE)) < 0.5)
    return random.lognormal(3, 1, SIZE) + np.cumsum(steps, axis=0)


def counts(random: Random) -> History:
    return random.poisson(500, (DAYS, SIZE))


def counters(random: Random) -> History:
    return random.integers(0, 10_000, SIZE) + np.cumsum(random.poisson(2, (DAYS, SIZE)), axis=0)


def words(random: Random) -> History:
    return random.choice([f"w{i}" for i in range(300)], (DAYS, SIZE)).astype(object)


def moments(random: Random) -> History:
    return (1_700_000_000 + random.integers(0, 10**7, (DAYS, SIZE))).astype("datetime64[s]")


KINDS = [amounts, walk, counts, counters, words, moments]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_versions(kind: Callable[[Random], History], k: int, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    history = kind(random)
    hit = some(random, share)
    online = np.where(hit, history[-1 - k], history[-1])
    found = judged(history, online)
    cause = lag(found)
    assert cause is not None, found.causes
    assert (cause.kind, cause.share, cause.evidence["k"]) == ("how", 1.0, k)
    assert cause.evidence["entities"] == found.counts["mismatch"]
    assert cause.evidence["alike"] == []
    assert cause.confidence == 0.99
    assert not {"unknown"} & {one.code for one in found.causes}


@pytest.mark.parametrize("flag", ["bool", "few"])
def test_of_few_values_when_all_is_explained(flag: str) -> None:
    random = np.random.default_rng(0)
    history: History = random.random((DAYS, SIZE)) < 0.5 if flag == "bool" else random.integers(0, 4, (DAYS, SIZE))
    cause = lag(judged(history, history[-3]))
    assert cause is not None
    assert (cause.evidence["k"], cause.share) == (2, 1.0)


@pytest.mark.parametrize("kind", [amounts, words])
def test_which_versions_are_alike(kind: Callable[[Random], History]) -> None:
    """What was the same all the week before tells that it is from before, and not from when."""
    random = np.random.default_rng(0)
    history = kind(random)
    history[:-1] = history[0]
    cause = lag(judged(history, history[-2]))
    assert cause is not None
    assert (cause.evidence["k"], cause.evidence["alike"], cause.confidence) == (1, [2, 3, 4, 5, 6], 0.9)
    assert "2, 3, 4, 5, 6" in cause.detail


def test_two_lags_at_once() -> None:
    random = np.random.default_rng(0)
    history = amounts(random)
    online = np.where(some(random, 0.4), history[-3], history[-2])
    cause = lag(judged(history, online))
    assert cause is not None
    assert (cause.evidence["k"], list(cause.evidence["by_k"]), cause.share) == (1, ["2"], 1.0)


def test_beside_what_the_difference_is() -> None:
    """3 % are late, the rest is in another unit; a feature that grows evenly is also off by a constant."""
    random = np.random.default_rng(0)
    history = amounts(random)
    late = some(random, 0.03)
    found = judged(history, np.where(late, history[-2], history[-1] * 1000))
    shares = {cause.code: cause.share for cause in found.causes}
    assert shares == {"scale": pytest.approx(0.97), "lagged_version": pytest.approx(0.03)}
    even = random.lognormal(3, 1, SIZE) + 7.25 * np.arange(DAYS)[:, None]
    codes = {cause.code: cause for cause in judged(even, even[-2]).causes}
    assert set(codes) == {"offset", "lagged_version"}
    assert codes["lagged_version"].evidence["k"] == 1


def test_days_since_something_are_late_or_off_by_one() -> None:
    random = np.random.default_rng(0)
    history = random.integers(0, 30, SIZE) + np.arange(DAYS)[:, None]
    cause = lag(judged(history, history[-2]))
    assert cause is not None
    assert cause.confidence == 0.6
    assert "constant" in cause.detail


def test_nulls_are_values_of_a_version() -> None:
    random = np.random.default_rng(0)
    history = amounts(random)
    history[random.random((DAYS, SIZE)) < 0.3] = np.nan
    cause = lag(judged(history, history[-2]))
    assert cause is not None
    assert (cause.evidence["k"], cause.share) == (1, 1.0)


@pytest.mark.parametrize("share", [0.05, 1.0])
@pytest.mark.parametrize("kind", ["lists", "empty lists", "float32", "json"])
def test_of_other_types(kind: str, share: float) -> None:
    random = np.random.default_rng(0)
    history = random.normal(size=(DAYS, SIZE))
    old = np.where(some(random, share), history[-2], history[-1])
    makers: dict[str, tuple[pa.DataType, Callable[[float], Any]]] = {
        "lists": (pa.list_(pa.float64()), lambda v: [v, v + 1]),
        "empty lists": (pa.list_(pa.float64()), lambda v: [v] if v > 0 else []),
        "float32": (pa.float32(), float),
        "json": (pa.struct([("a", pa.float64())]), lambda v: {"a": v}),
    }
    arrow, make = makers[kind]
    size = DAYS * SIZE
    moments = np.repeat(BASE + np.arange(DAYS) * DAY, SIZE)
    values = pa.array([make(v) for v in history.ravel()], arrow)
    offline = pa.table({"id": np.arange(size) % SIZE, "event_timestamp": moments, "x": values})
    now = np.full(SIZE, BASE + (DAYS - 1) * DAY)
    online = pa.table({"id": np.arange(SIZE), "event_timestamp": now, "x": pa.array([make(v) for v in old], arrow)})
    cause = lag(compare(offline, online, ["id"]).features[0])
    assert cause is not None
    assert (cause.evidence["k"], cause.share) == (1, 1.0)


NEIGHBOURS: dict[str, Callable[[Random], tuple[History, Any]]] = {
    "noise": lambda g: ((h := amounts(g)), h[-1] + g.normal(0, 1, SIZE)),
    "noise beside a slow walk": lambda g: ((h := walk(g)), h[-1] + g.normal(0, 0.1, SIZE)),
    "another factor": lambda g: ((h := amounts(g)), h[-1] * 1.01),
    "one more or less": lambda g: ((h := counters(g)), h[-1] + g.integers(-1, 2, SIZE)),
    "one less, or not": lambda g: ((h := counters(g)), h[-1] - g.integers(0, 2, SIZE)),
    "a few less": lambda g: ((h := counters(g)), h[-1] - g.poisson(2, SIZE)),
    "a step of a walk of whole numbers": lambda g: (
        (h := g.integers(0, 9, SIZE) + np.cumsum(g.integers(-1, 2, (DAYS, SIZE)), axis=0)),
        h[-1] + g.integers(-1, 2, SIZE),
    ),
    "flags": lambda g: (g.random((DAYS, SIZE)) < 0.5, g.random(SIZE) < 0.5),
    "rare flags": lambda g: (g.random((DAYS, SIZE)) < 0.05, g.random(SIZE) < 0.05),
    "sticky flags": lambda g: (np.cumsum(g.random((DAYS, SIZE)) < 0.1, axis=0) % 2 == 1, g.random(SIZE) < 0.5),
    "flags turned around": lambda g: ((h := np.cumsum(g.random((DAYS, SIZE)) < 0.1, axis=0) % 2 == 1), ~h[-1]),
    "few words": lambda g: ((h := g.choice(["a", "b", "c"], (DAYS, SIZE)).astype(object)), g.permutation(h[-1])),
    "other entities": lambda g: ((h := amounts(g)), g.permutation(h[-1])),
    "other entities' day before": lambda g: ((h := counts(g)), g.permutation(h[-2])),
    "a constant": lambda g: (counts(g), np.full(SIZE, 500)),
    "nulls since a day": lambda g: (
        np.vstack([np.full((DAYS - 1, SIZE), np.nan), g.normal(size=(1, SIZE))]),
        np.full(SIZE, np.nan),
    ),
    "never changing": lambda g: ((h := np.tile(g.normal(size=SIZE), (DAYS, 1))), h[-1] + g.normal(size=SIZE)),
}


@pytest.mark.parametrize("share", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("name", NEIGHBOURS)
def test_what_looks_alike_is_not_claimed(name: str, share: float) -> None:
    for seed in range(2):
        random = np.random.default_rng(seed)
        history, online = NEIGHBOURS[name](random)
        arrow = pa.float64() if history.dtype == float else None
        assert lag(judged(history, np.where(some(random, share), online, history[-1]), arrow)) is None, seed


@pytest.mark.parametrize("kind", KINDS)
def test_silent_without_a_history(kind: Callable[[Random], History]) -> None:
    random = np.random.default_rng(0)
    history = kind(random)[-2:]
    assert lag(judged(history[-1:], history[0])) is None
    assert judged(history, history[-1]).causes == ()
    few = history[-1].copy()
    few[:4] = history[-2][:4]
    assert lag(judged(history, few)) is None
