"""What a cause says of rows that no rule has looked at: the same as the rule says of those that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare, service
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.context import Context
from feast_skew.diagnosis.covering import covered_codes
from feast_skew.diagnosis.explain import Explained, explain

SIZE = 3_000
Random = np.random.Generator
Seen = list[tuple[Case, Explained]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Every case that is explained, with what was said of it."""
    found: Seen = []

    def watched(case: Case) -> Explained:
        explained = explain(case)
        found.append((case, explained))
        return explained

    monkeypatch.setattr(service, "explain", watched)
    return found


def told_by_rows(case: Case) -> Case:
    """Give the case as executors have it: nothing but what a row tells."""
    none = np.empty(0, dtype=np.int64)
    return replace(
        case, ask_earlier=list, apart=None, weights=None, older_positions=none, older=None,
        was_earlier=case.equal_to_earlier_version, context=Context(),
    )  # fmt: skip


def planted(random: Random, kind: str) -> tuple[Any, Any]:
    """Give both sides of a feature with several causes at once, and rows that none explains."""
    part = random.integers(0, 10, SIZE)
    if kind == "number":
        off = random.lognormal(3, 1, SIZE)
        on = np.select([part == 0, part == 1, part == 2], [off * 1000, off + 7.25, random.normal(0, 1, SIZE)], off)
        on[part == 3] = -1.0
    elif kind == "count":
        off = random.poisson(900, SIZE).astype(np.int64)
        on = np.select([part == 0, part == 1], [off * 60, off + 1_000], off)
    elif kind == "moment":
        off = random.integers(10**9, 2 * 10**9, SIZE)
        on = np.where(part < 4, off + 3600, np.where(part == 4, 0, off))
        arrow = pa.timestamp("s", tz="UTC")
        return pa.array(off).cast(arrow), pa.array(on).cast(arrow)
    elif kind == "cut":
        off = random.integers(10**9, 2 * 10**9, SIZE)
        on = np.select(
            [part < 3, part == 3, part == 4], [off // 3600 * 3600, off * 1000, off + 77 * part + off % 13], off
        )
        arrow = pa.timestamp("s", tz="UTC")
        return pa.array(off).cast(arrow), pa.array(on).cast(arrow)
    elif kind == "vector":
        vectors, others = random.normal(size=(2, SIZE, 8))
        fills = [
            [0.0] * 8 if one < 4 else other if one == 4 else vector
            for one, vector, other in zip(part, vectors, others, strict=True)
        ]
        missing = random.random(SIZE) < 0.05
        online = [None if lost else vector for lost, vector in zip(missing, fills, strict=True)]
        return pa.array(list(vectors), pa.list_(pa.float64())), pa.array(online, pa.list_(pa.float64()))
    elif kind == "below zero":
        off = random.lognormal(3, 1, SIZE)
        on = np.select([part < 3, part == 3], [off * -2.5, random.normal(0, 1, SIZE)], off)
    elif kind == "text":
        off = np.array([f"{i:x} {'é' * (i % 3)}{i}" for i in random.integers(10**7, 10**9, SIZE)], dtype=object)
        on = np.select([part < 2, part < 4], [[text[:6] for text in off], [text.upper() for text in off]], off).astype(
            object
        )
    elif kind == "code":
        words = np.array(["EWR", "JFK", "LGA", "BOS", "ORD"], dtype=object)
        drawn = random.integers(0, 5, SIZE)
        off = words[drawn]
        on = np.where(
            part < 6, np.array(["Newark", "Kennedy", "La Guardia", "Boston", "Chicago"], dtype=object)[drawn], off
        )
    else:
        words = np.array(["EWR", "JFK", "LGA", "BOS"], dtype=object)
        off = words[random.integers(0, 4, SIZE)]
        on = np.where(part < 3, "unknown", np.where(part == 3, words[random.integers(0, 4, SIZE)], off)).astype(object)
    nulls = random.random(SIZE) < 0.05
    return pa.array(off, mask=random.random(SIZE) < 0.05), pa.array(on, mask=nulls)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["number", "count", "moment", "word", "text", "code", "cut", "vector", "below zero"])
def test_all_rules_at_once(seen: Seen, kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    off, on = planted(random, kind)
    ids = np.arange(SIZE)
    here, there = ids % 37 != 0, ids % 41 != 0
    sides = [pa.table({"id": ids, "x": column}).filter(pa.array(known)) for column, known in ((off, here), (on, there))]
    compare(*sides, ["id"])
    ((case, explained),) = seen
    codes = covered_codes(told_by_rows(case), explained.causes)
    told = case.wrong | case.absent
    np.testing.assert_array_equal(codes[told], explained.codes[told])
    assert len(set(codes[told])) >= 3, set(codes[told])


def changed(random: Random, name: str) -> tuple[Any, Any]:
    """Give a feature of which a third was changed in one way, and a tenth is unrelated."""
    off = random.lognormal(3, 1, SIZE) * random.choice([-1, 1, 1], SIZE)
    changes: dict[str, Callable[[Any], Any]] = {
        "sign": lambda x: -x,
        "log1p_signed": lambda x: np.sign(x) * np.log1p(np.abs(x)),
        "abs": np.abs,
        "clip": lambda x: np.clip(x, -5.0, 20.0),
        "affine": lambda x: 1.8 * x + 32,
        "round": lambda x: 5 * np.rint(x / 5),
        "decimals": lambda x: np.round(x, 1),
        "float16": lambda x: x.astype(np.float16).astype(float),
    }
    part = random.integers(0, 10, SIZE)
    unrelated = random.lognormal(3, 1, SIZE)
    if name == "timezone":
        off = random.integers(10**9, 2 * 10**9, SIZE)
        on = np.where(part < 4, off - 18_000, np.where(part == 4, random.integers(10**9, 2 * 10**9, SIZE), off))
        arrow = pa.timestamp("s", tz="UTC")
        return pa.array(off).cast(arrow), pa.array(on).cast(arrow)
    if name == "int32":
        off = random.integers(0, 2**40, SIZE)
        return off, np.where(part < 4, off.astype(np.int32), np.where(part == 4, random.integers(0, 2**40, SIZE), off))
    if name == "constant":
        return off, np.full(SIZE, 7.0)
    return off, np.where(part < 4, changes[name](off), np.where(part == 4, unrelated, off))


@pytest.mark.parametrize(
    "name",
    [
        "sign", "log1p_signed", "abs", "clip", "affine", "round", "decimals", "float16", "timezone", "int32", "constant",
    ],
)  # fmt: skip
def test_rules_on_single_values(seen: Seen, name: str) -> None:
    off, on = changed(np.random.default_rng(0), name)
    compare(*[pa.table({"id": np.arange(SIZE), "x": column}) for column in (off, on)], ["id"])
    ((case, explained),) = seen
    codes = covered_codes(told_by_rows(case), explained.causes)
    np.testing.assert_array_equal(codes, explained.codes)
    kinds = {"decimals": "precision", "float16": "precision", "int32": "precision"}
    own = kinds.get(name, name if name in ("sign", "timezone", "constant") else "transform")
    assert np.count_nonzero(codes == own) > SIZE / 20


def test_of_half_the_rows_what_was_found_on_the_other_half(seen: Seen) -> None:
    """The parameters are those of the drawn rows, and the others have them too."""
    random = np.random.default_rng(0)
    off = random.lognormal(3, 1, SIZE)
    hit = random.random(SIZE) < 0.5
    on = np.where(hit, off * 1000, off)
    sides = [pa.table({"id": np.arange(SIZE), "x": column}) for column in (off, on)]
    compare(*(side.slice(0, SIZE // 2) for side in sides), ["id"])
    compare(*sides, ["id"])
    (_, half), (whole, explained) = seen
    np.testing.assert_array_equal(covered_codes(told_by_rows(whole), half.causes), explained.codes)


@pytest.mark.parametrize("how", ["times", "plus"])
def test_rows_that_share_no_instant(seen: Seen, how: str) -> None:
    """A feature that fails by its unaligned rows: offline moves a little each day, online is something else altogether."""
    random = np.random.default_rng(3)
    entities, days = 600, 6
    start = np.datetime64("2026-01-01", "us")
    base = random.lognormal(3, 0.4, entities)
    ids = np.repeat(np.arange(entities), days)
    moments = np.tile(start + np.arange(days) * np.timedelta64(86_400_000_000, "us"), entities)
    values = np.repeat(base, days) * (1 + random.normal(0, 0.01, entities * days))
    change: Callable[[Any], Any] = (lambda x: x * 1000) if how == "times" else (lambda x: x + 500)
    offline = pa.table({"id": ids, "event_timestamp": pa.array(moments, pa.timestamp("us", "UTC")), "x": values})
    at = start + np.timedelta64(days * 86_400_000_000 - 43_200_000_000, "us")
    online = pa.table(
        {
            "id": np.arange(entities),
            "event_timestamp": pa.array(np.full(entities, at), pa.timestamp("us", "UTC")),
            "x": change(values.reshape(entities, days)[:, -1]),
        }
    )
    compare(offline, online, ["id"])
    ((case, explained),) = seen
    assert case.unaligned_failed
    assert {cause.code for cause in explained.causes} & {"scale", "offset"}
    codes = covered_codes(told_by_rows(case), explained.causes)
    np.testing.assert_array_equal(codes[case.rows.unaligned], explained.codes[case.rows.unaligned])


def with_earlier(seen: Seen, *, keeps_newer: bool) -> Case:
    """Give a case whose first half has an earlier version of each wrong row, which online still has."""
    random = np.random.default_rng(1)
    off = random.normal(0, 1, 200)
    sides = [pa.table({"id": np.arange(200), "x": column}) for column in (off, random.normal(0, 1, 200))]
    compare(*sides, ["id"])
    ((case, _),) = seen
    older = np.arange(100)
    return replace(
        case, view=replace(case.view, keeps_newer=keeps_newer), older_positions=older,
        older=case.pairs.online.take(pa.array(older)),
    )  # fmt: skip


def test_an_earlier_version_of_the_row(seen: Seen) -> None:
    case = with_earlier(seen, keeps_newer=True)
    explained = explain(case)
    assert "restated" in {cause.code for cause in explained.causes}
    codes = covered_codes(told_by_rows(case), explained.causes)
    np.testing.assert_array_equal(codes, explained.codes)
    assert set(codes[:100]) == {"restated"}


def test_a_cause_that_no_row_tells_is_said_of_no_row(seen: Seen) -> None:
    """Values of an earlier definition are elsewhere: what may be its rows has no cause, what cannot be has one."""
    case = with_earlier(seen, keeps_newer=False)
    classes = case.pairs.classes.copy()
    classes[-20:] = PairClass.OFFLINE_ONLY
    pairs = FeaturePairs(case.pairs.offline, case.pairs.online, classes)
    absent = np.arange(200) >= 180
    rows = replace(case.rows, online=np.where(absent, NO_INSTANT, case.rows.online))
    assert isinstance(rows, RowState)
    case = replace(case, pairs=pairs, rows=rows)
    causes = explain(case).causes
    definition = replace(causes[0], code="definition_not_landed")
    missing = next(cause for cause in causes if cause.code == "not_materialized")
    codes = covered_codes(told_by_rows(case), [definition, missing])
    assert set(codes[:180]) == {""}
    assert set(codes[180:]) == {"not_materialized"}


def of_some_age(seen: Seen) -> Case:
    """Give a case of a store that forgets keys after ten days: a third of the entities are absent, most as their rows are older."""
    random = np.random.default_rng(2)
    moments = np.datetime64("2026-01-01", "us") + random.integers(0, 20, SIZE) * np.timedelta64(86_400_000_000, "us")
    values = random.normal(size=SIZE)
    there = (moments >= np.datetime64("2026-01-08")) & (np.arange(SIZE) % 50 != 0)
    table = pa.table(
        {"id": np.arange(SIZE), "event_timestamp": pa.array(moments, pa.timestamp("us", "UTC")), "x": values}
    )
    compare(table, table.filter(pa.array(there)), ["id"])
    ((case, _),) = seen
    day = 86_400 * 10**9
    now = int(np.datetime64("2026-01-20", "ns").astype(np.int64)) + 1
    view = replace(case.view, ttl=3 * day, key_ttl=13 * day)
    rows = replace(case.rows, expired=(case.rows.online != NO_INSTANT) & (case.rows.online < now - 3 * day))
    return replace(case, view=view, rows=rows, context=replace(case.context, now=now, as_of=now))


def test_rows_and_keys_that_expired(seen: Seen) -> None:
    case = of_some_age(seen)
    explained = explain(case)
    causes = {cause.code: cause for cause in explained.causes}
    assert set(causes) == {"expired", "not_materialized"}
    assert causes["expired"].evidence["of"] == "both"
    assert (causes["expired"].evidence["ttl"], causes["expired"].evidence["key_ttl"]) == (3 * 86400.0, 13 * 86400.0)
    codes = covered_codes(told_by_rows(case), explained.causes)
    np.testing.assert_array_equal(codes, explained.codes)
    assert set(codes) == {"expired", "not_materialized", ""}


def test_a_possibility_is_said_of_every_wrong_row(seen: Seen) -> None:
    case = with_earlier(seen, keeps_newer=True)
    case = replace(case, older_positions=np.empty(0, dtype=np.int64), older=None)
    explained = explain(case)
    assert [cause.code for cause in explained.causes] == ["frozen", "unknown"]
    np.testing.assert_array_equal(covered_codes(told_by_rows(case), explained.causes), explained.codes)
