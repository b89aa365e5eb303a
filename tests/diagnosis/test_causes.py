"""Every rule on skew that was planted for it, through `compare()`: named with its parameter, and silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import Cause, FeatureResult

SIZE = 2000
SEVERITIES = (0.005, 0.05, 1.0)
SEEDS = (0, 1, 2)
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
Random = np.random.Generator


def result(offline: Any, online: Any, arrow: pa.DataType | None = None, **more: Any) -> FeatureResult:
    """Compare two columns of the same entities; `more` gives further columns as (offline, online)."""
    sides = []
    for i, column in enumerate((offline, online)):
        columns = {"id": np.arange(len(column)), "x": pa.array(column, arrow, from_pandas=True)}
        sides.append(pa.table({**columns, **{name: pair[i] for name, pair in more.items() if pair[i] is not None}}))
    return compare(*sides, ["id"]).features[0]


def whats(found: FeatureResult) -> list[Cause]:
    return [cause for cause in found.causes if cause.kind == "what"]


def some(random: Random, share: float, size: int = SIZE) -> np.ndarray:
    """Choose exactly that share of the rows."""
    chosen = np.zeros(size, dtype=bool)
    chosen[random.permutation(size)[: round(share * size)]] = True
    return chosen


def amounts(random: Random) -> np.ndarray:
    return random.lognormal(3, 1, SIZE) * random.choice([-1, 1, 1, 1], SIZE)


def counts(random: Random) -> np.ndarray:
    return random.poisson(12, SIZE)


def moments(random: Random) -> np.ndarray:
    return START.timestamp() + random.integers(0, 86400 * 300, SIZE)


def words(random: Random) -> np.ndarray:
    return random.choice(["EWR", "JFK", "LGA", "BOS", "ORD", "ATL", "LAX"], SIZE).astype(object)


def objects(values: np.ndarray) -> np.ndarray:
    return values.astype(object)


def only(found: FeatureResult, code: str) -> Cause:
    """The one cause that is named, explaining everything; all other rules are silent."""
    assert [cause.code for cause in found.causes] == [code], found.causes
    (cause,) = found.causes
    assert (cause.kind, cause.share) == ("what", 1.0)
    return cause


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("factor", [1000.0, 1 / 60, 1.609344, 2.5, 7 / 3, 1.0001, 1e-9, 0.3048])
@pytest.mark.parametrize("kind", [amounts, counts])
def test_scale(kind: Callable[[Random], np.ndarray], factor: float, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = kind(random).astype(float)
    hit = some(random, share)
    found = result(values, np.where(hit, values * factor, values))
    cause = only(found, "scale")
    assert cause.evidence["factor"] == pytest.approx(factor, rel=1e-9)
    assert cause.evidence["entities"] == np.count_nonzero(hit & (values != 0))
    units = {1000.0: "kilo", 1 / 60: "minutes and seconds", 1.609344: "miles", 0.3048: "feet"}
    if factor in units:
        assert cause.evidence["factor"] == factor
        assert units[factor] in cause.evidence["unit"]
    else:
        assert (cause.evidence["unit"] is None) == (factor != 1e-9)


@pytest.mark.parametrize("factor", [1000, 60, 24])
def test_scale_of_whole_numbers_and_float32(factor: int) -> None:
    random = np.random.default_rng(0)
    whole = counts(random)
    assert only(result(whole, whole * factor), "scale").evidence["factor"] == factor
    narrow = amounts(random).astype(np.float32)
    found = only(result(narrow, (narrow / factor).astype(np.float32)), "scale")
    assert found.evidence["factor"] == pytest.approx(1 / factor, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("constant", [3.5, -273.15, 1e6, 1e-3])
def test_offset(constant: float, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    for values in (amounts(random), counts(random).astype(float)):
        hit = some(random, share)
        cause = only(result(values, np.where(hit, values + constant, values)), "offset")
        assert cause.evidence["offset"] == pytest.approx(constant, rel=1e-9)
        assert cause.evidence["entities"] == hit.sum()


@pytest.mark.parametrize("seconds", [3600, -18000, 1])
@pytest.mark.parametrize("share", SEVERITIES)
def test_offset_of_timestamps(seconds: int, share: float) -> None:
    random = np.random.default_rng(0)
    values = moments(random).astype(np.int64)
    shifted = np.where(some(random, share), values + seconds, values)
    arrow = pa.timestamp("s", tz="UTC")
    found = result(pa.array(values).cast(arrow).to_numpy(), pa.array(shifted).cast(arrow).to_numpy())
    assert only(found, "offset").evidence["offset"] == seconds
    assert "seconds" in found.causes[0].detail


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize(
    ("kind", "default"), [(amounts, 0.0), (amounts, -1.0), (counts, 0), (counts, -1), (words, "unknown"), (moments, 0)]
)
def test_default_fill(kind: Callable[[Random], np.ndarray], default: Any, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = objects(kind(random))
    hit = some(random, share)
    filled = values.copy()
    filled[hit] = default
    cause = only(result(values, filled), "default_fill")
    assert cause.evidence["value"] == default
    assert cause.evidence["entities"] == np.count_nonzero(filled != values)
    assert cause.evidence["offline_null"] == 0
    # The usual one: null offline, the default online.
    nulls = values.copy()
    nulls[hit] = None
    cause = only(result(nulls, filled), "default_fill")
    assert (cause.evidence["value"], cause.evidence["offline_null"]) == (default, hit.sum())
    assert "null" in cause.detail


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("kind", [amounts, counts, words, moments])
def test_null_fill(kind: Callable[[Random], np.ndarray], share: float) -> None:
    random = np.random.default_rng(0)
    values = objects(kind(random))
    hit = some(random, share)
    emptied = values.copy()
    emptied[hit] = None
    # A column of nulls alone has no type; the other side's is taken.
    cause = only(result(values, emptied), "null_fill")
    assert cause.evidence == {"entities": hit.sum(), "share": pytest.approx(share)}
    assert ("added after" in cause.detail) == (share == 1.0)


def test_presence_causes() -> None:
    random = np.random.default_rng(0)
    values, ids = amounts(random), np.arange(SIZE)
    whole = pa.table({"id": ids, "x": values})
    some_rows = whole.filter(pa.array(some(random, 0.95)))
    (missing,) = compare(whole, some_rows, ["id"]).features[0].causes
    assert (missing.code, missing.kind, missing.share) == ("not_materialized", "how", 1.0)
    assert missing.evidence == {"entities": 100, "share": pytest.approx(0.05)}
    (orphan,) = compare(some_rows, whole, ["id"]).features[0].causes
    assert (orphan.code, orphan.kind, orphan.share, orphan.evidence["entities"]) == ("orphan", "how", 1.0, 100)
    nobody = compare(whole, whole.slice(0, 0), ["id"]).features[0]
    assert [cause.code for cause in nobody.causes] == ["not_materialized"]
    assert "the store was emptied" in nobody.causes[0].detail


def timed(ids: np.ndarray, values: np.ndarray, days: Any, created: Any = None) -> pa.Table:
    base = np.datetime64(START.replace(tzinfo=None), "us")
    columns = {"id": ids, "x": values, "event_timestamp": base + np.asarray(days) * np.timedelta64(86400_000_000, "us")}
    if created is not None:
        columns["created_timestamp"] = base + np.asarray(created) * np.timedelta64(86400_000_000, "us")
    return pa.table(columns)


@pytest.mark.parametrize("share", SEVERITIES)
def test_stale(share: float) -> None:
    """Online holds the row of a day, or of four days, before."""
    random = np.random.default_rng(0)
    ids, old, new = np.arange(SIZE), amounts(random), amounts(random)
    hit = some(random, share)
    lag = np.where(ids % 2, 1, 4)
    offline = pa.concat_tables([timed(ids, old, 10 - lag), timed(ids, new, np.full(SIZE, 10))])
    found = compare(offline, timed(ids, np.where(hit, old, new), np.where(hit, 10 - lag, 10)), ["id"]).features[0]
    (cause,) = found.causes
    assert (cause.code, cause.kind, cause.share, cause.evidence["entities"]) == ("stale", "how", 1.0, hit.sum())
    lags = np.sort(lag[hit]) * 86400.0
    assert cause.evidence["lag_seconds"]["max"] == lags[-1]
    assert cause.evidence["lag_seconds"]["p50"] == np.median(lags)
    assert found.verdict.value == "warn"
    assert found.counts["match"] == SIZE


@pytest.mark.parametrize("share", SEVERITIES)
def test_restated_is_proven_by_an_earlier_version(share: float) -> None:
    random = np.random.default_rng(0)
    ids, before, after = np.arange(SIZE), amounts(random), amounts(random)
    hit = some(random, share)
    first = timed(ids, before, np.full(SIZE, 5), np.full(SIZE, 5))
    corrected = timed(ids, after, np.full(SIZE, 5), np.full(SIZE, 9))
    online = timed(ids, np.where(hit, before, after), np.full(SIZE, 5))
    for offline in (pa.concat_tables([first, corrected]), pa.concat_tables([corrected, first])):
        found = compare(offline, online, ["id"]).features[0]
        (cause,) = found.causes
        assert (cause.code, cause.kind, cause.share, cause.confidence) == ("restated", "how", 1.0, 1.0)
        assert cause.evidence["entities"] == hit.sum() == found.counts["mismatch"]


def mixture(first: str, second: str, share: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    values = objects(np.abs(amounts(random)))
    one = some(random, share)
    changes: Mapping[str, Callable[[np.ndarray], Any]] = {
        "scale": lambda v: v * 1000,
        "offset": lambda v: v + 3.5,
        "default_fill": lambda v: np.full(len(v), -1.0, dtype=object),
        "null_fill": lambda v: np.full(len(v), None, dtype=object),
        "unknown": lambda v: objects(random.lognormal(3, 1, len(v))),
    }
    online = values.copy()
    online[one] = changes[first](values[one])
    online[~one] = changes[second](values[~one])
    return values, online


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("default_fill", "scale", 0.03),
        ("default_fill", "offset", 0.03),
        ("null_fill", "scale", 0.01),
        ("offset", "scale", 0.1),
        ("scale", "offset", 0.2),
        ("unknown", "scale", 0.05),
        ("unknown", "default_fill", 0.3),
        ("scale", "unknown", 0.2),
        ("default_fill", "unknown", 0.1),
        ("null_fill", "default_fill", 0.5),
    ],
)
def test_mixtures_are_told_apart_with_their_shares(first: str, second: str, share: float) -> None:
    found = whats(result(*mixture(first, second, share)))
    shares = {cause.code: cause.share for cause in found}
    assert set(shares) == {first, second}
    assert shares[first] == pytest.approx(share, abs=0.003)
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.003)
    # Equal shares: the rule with fewer parameters comes first, and null_fill has none.
    expected = sorted(shares, key=lambda code: (-round(shares[code], 6), code != "null_fill"))
    assert [cause.code for cause in found] == expected


def test_a_scaled_and_stale_feature_says_both() -> None:
    random = np.random.default_rng(0)
    ids, old, new = np.arange(SIZE), amounts(random), amounts(random)
    late, scaled = some(random, 0.3), some(random, 0.5)
    offline = pa.concat_tables([timed(ids, old, np.full(SIZE, 9)), timed(ids, new, np.full(SIZE, 10))])
    values = np.where(late, old, new)
    online = timed(ids, np.where(scaled, values * 60, values), np.where(late, 9, 10))
    found = compare(offline, online, ["id"]).features[0]
    codes = {cause.code: cause for cause in found.causes}
    assert set(codes) == {"scale", "stale"}
    assert codes["scale"].share == 1.0
    assert codes["scale"].evidence["factor"] == 60
    # Stale and right for its time; of all troubled entities these are the ones that are not scaled.
    assert codes["stale"].evidence["entities"] == np.count_nonzero(late & ~scaled)
    assert codes["stale"].share == pytest.approx(np.count_nonzero(late & ~scaled) / np.count_nonzero(late | scaled))
    assert [cause.code for cause in found.causes] == ["scale", "stale"]


@pytest.mark.parametrize("kind", [amounts, counts, words, moments])
def test_nothing_is_said_of_clean_data(kind: Callable[[Random], np.ndarray]) -> None:
    values = objects(kind(np.random.default_rng(0)))
    values[some(np.random.default_rng(1), 0.1)] = None
    found = result(values, values)
    assert found.causes == ()
    assert found.verdict.value == "pass"


def test_few_rows_prove_nothing() -> None:
    """Two numbers always have a ratio; four of them may share it by chance."""
    values = np.arange(1.0, 101.0)
    online = values.copy()
    online[:4] *= 1000
    assert [cause.code for cause in whats(result(values, online))] == ["unknown"]
    online[:5] = values[:5] * 1000
    assert [cause.code for cause in whats(result(values, online))] == ["scale"]


def test_a_constant_feature_proves_nothing() -> None:
    """3 against 6: twice, plus three, or a default; no way to tell."""
    assert [cause.code for cause in whats(result(np.full(500, 3.0), np.full(500, 6.0)))] == ["unknown"]


UNRELATED: Mapping[str, Callable[[Random], tuple[np.ndarray, np.ndarray]]] = {
    "counts 0 to 20": lambda g: (g.integers(0, 21, SIZE), g.integers(0, 21, SIZE)),
    "Poisson 3 and 10": lambda g: (g.poisson(3, SIZE), g.poisson(10, SIZE)),
    "0 to 20 and 0 to 5": lambda g: (g.integers(0, 21, SIZE), g.integers(0, 6, SIZE)),
    "geometric": lambda g: (g.geometric(0.3, SIZE), g.geometric(0.1, SIZE)),
    "mostly zero": lambda g: (g.poisson(3, SIZE) * (g.random(SIZE) < 0.4), g.poisson(3, SIZE) * (g.random(SIZE) < 0.4)),
    "booleans": lambda g: (g.integers(0, 2, SIZE), g.integers(0, 2, SIZE)),
    "ratings": lambda g: (g.integers(1, 11, SIZE) / 2, g.integers(1, 11, SIZE) / 2),
    "means of few": lambda g: (
        g.integers(0, 60, SIZE) / g.integers(1, 8, SIZE),
        g.integers(0, 60, SIZE) / g.integers(1, 8, SIZE),
    ),
    "one decimal": lambda g: (np.round(g.gamma(2, 3, SIZE), 1), np.round(g.gamma(2, 3, SIZE), 1)),
    "normal": lambda g: (g.normal(size=SIZE), g.normal(size=SIZE)),
    "noise": lambda g: ((x := g.gamma(2, 3, SIZE)), x + g.normal(0, 0.1, SIZE)),
    "one more or less": lambda g: ((x := g.poisson(20, SIZE)), x + g.integers(-1, 2, SIZE)),
    "permuted counts": lambda g: ((x := counts(g)), g.permutation(x)),
    "permuted words": lambda g: ((x := words(g)), g.permutation(x)),
}


@pytest.mark.parametrize("name", UNRELATED)
def test_unrelated_values_are_unknown(name: str) -> None:
    """Of ten draws each, 140 in all, none gets another first cause."""
    for seed in range(10):
        found = whats(result(*UNRELATED[name](np.random.default_rng(seed))))
        assert found[0].code == "unknown", (seed, found)
        assert found[0].share > 0.6
        assert "fit no rule" in found[0].detail


def test_unknown_shows_the_shape_of_what_remains() -> None:
    random = np.random.default_rng(0)
    values = amounts(random)
    (cause,) = whats(result(values, values + random.normal(5, 1, SIZE)))
    assert cause.code == "unknown"
    assert cause.evidence["entities"] == SIZE
    assert cause.evidence["median_difference"] == pytest.approx(5, abs=0.1)
    assert cause.evidence["correlation"] == pytest.approx(1, abs=0.01)
