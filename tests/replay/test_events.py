"""Every aggregate of every window, against going through the events one by one."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.types import declared_type
from feast_skew.replay.edges import BEGINNING, window_edges
from feast_skew.replay.events import AGGREGATES, Events
from feast_skew.replay.recipe import DAY, HOUR, Recipe, window_text
from feast_skew.replay.values import coded

MINUTE = 60 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Event:
    entity: int
    at: int
    value: float | None


def events_of(events: list[Event]) -> Events:
    return Events(
        np.array([e.entity for e in events], dtype=np.int64),
        np.array([e.at for e in events], dtype=np.int64),
        np.array([e.value if e.value is not None else 0.0 for e in events], dtype=np.float64),
        np.array([e.value is not None for e in events], dtype=bool),
    )


def oracle(events: list[Event], recipe: Recipe, entity: int, start: int, end: int) -> float | None:
    """Go through the events of one window, in exact arithmetic."""
    seen, kept = set(), []
    for event in sorted(events, key=lambda e: e.at):
        if recipe.once and event in seen:
            continue
        seen.add(event)
        late = event.at > end or (event.at == end and not recipe.end_inclusive)
        early = event.at < start or (event.at == start and not recipe.start_inclusive)
        if event.entity == entity and not late and not early:
            kept.append(event.value if event.value is not None or recipe.nulls != "zero" else 0.0)
    values = [Fraction(value) for value in kept if value is not None]
    if recipe.aggregate == "count":
        return (len(kept) if recipe.nulls == "keep" else len(values)) or None
    if recipe.aggregate == "last":
        chosen = kept if recipe.nulls == "keep" else values
        return None if not chosen or chosen[-1] is None else float(chosen[-1])
    if not values:
        return None
    if recipe.aggregate == "std":
        if len(values) <= recipe.ddof:
            return None
        return statistics.stdev(values) if recipe.ddof else statistics.pstdev(values)
    plain = {"sum": sum, "min": min, "max": max, "distinct": lambda v: len(set(v)), "mean": lambda v: sum(v) / len(v)}
    return float(plain[recipe.aggregate](values))


def check(events: list[Event], recipe: Recipe, rows: list[int]) -> None:
    """Hold the values of all entities at some instants against the oracle's."""
    prepared = events_of(events)
    entity, instants = np.arange(len(rows)), np.array(rows, dtype=np.int64)
    values, known = prepared.aggregate(recipe, entity, instants)
    starts, ends = window_edges(recipe, instants)
    size = max((abs(e.value) for e in events if e.value is not None), default=1.0)
    for i in range(len(rows)):
        wanted = oracle(events, recipe, i, int(starts[i]), int(ends[i]))
        assert known[i] == (wanted is not None), (recipe, events, i)
        if wanted is not None:
            room = 1e-7 * size if recipe.aggregate == "std" else 1e-12 * size
            assert math.isclose(values[i], wanted, rel_tol=1e-9, abs_tol=room), (recipe, values[i], wanted)


VALUES = st.one_of(
    st.none(), st.integers(-4, 4).map(float), st.floats(-1e6, 1e6).map(lambda v: round(v, 6)), st.just(1e9)
)
EVENTS = st.lists(
    st.builds(Event, st.integers(0, 3), st.integers(0, 60).map(lambda m: m * MINUTE * 1000), VALUES), max_size=40
)
RECIPES = st.builds(
    Recipe,
    st.sampled_from(AGGREGATES),
    st.sampled_from([None, MINUTE * 1000, 7 * MINUTE * 1000, DAY, 30 * DAY]),
    lag=st.sampled_from([0, 0, MINUTE * 1000]),
    start_inclusive=st.booleans(),
    end_inclusive=st.booleans(),
    nulls=st.sampled_from(["skip", "zero", "keep"]),
    ddof=st.sampled_from([0, 1]),
    once=st.booleans(),
)


@given(EVENTS, RECIPES, st.lists(st.integers(0, 70), min_size=4, max_size=4))
def test_against_going_through_all_events(events: list[Event], recipe: Recipe, ends: list[int]) -> None:
    if recipe.nulls == "keep" and recipe.aggregate not in ("count", "last"):
        recipe = replace(recipe, nulls="skip")
    check(events, recipe, [end * MINUTE * 1000 for end in ends])


def test_sums_that_cancel() -> None:
    """A long history of large values with a window at its end: differences of running sums would lose the small ones."""
    random = np.random.default_rng(0)
    history = [Event(0, i * MINUTE, float(random.normal(1e6, 1e5))) for i in range(6_000)]
    history += [Event(1, i * MINUTE, float(random.normal(0, 1e-3))) for i in range(6_000)]
    end = 5_999 * MINUTE
    for aggregate, window in itertools.product(AGGREGATES, (HOUR, DAY, None)):
        check_exactly(history, Recipe(aggregate, window), [end, end])


def check_exactly(events: list[Event], recipe: Recipe, rows: list[int]) -> None:
    values, known = events_of(events).aggregate(recipe, np.arange(len(rows)), np.array(rows))
    starts, ends = window_edges(recipe, np.array(rows))
    for i in range(len(rows)):
        mine = [e for e in events if e.entity == i]
        wanted = oracle(mine, recipe, i, int(starts[i]), int(ends[i]))
        assert known[i]
        assert wanted is not None
        assert math.isclose(values[i], wanted, rel_tol=1e-9, abs_tol=1e-12), recipe


def test_values_that_are_all_the_same_do_not_vary() -> None:
    for value in (0.1, 1e6 / 3, 20.0, 1e-9, -7e300 / 3):
        events = [Event(0, i * MINUTE, value) for i in range(1000)] + [
            Event(1, i * MINUTE, float(i)) for i in range(1000)
        ]
        values, known = events_of(events).aggregate(Recipe("std", HOUR), np.array([0]), np.array([900 * MINUTE]))
        assert (values[0], known[0]) == (0.0, True)


def test_nothing_to_ask_or_to_count() -> None:
    nothing = events_of([])
    for aggregate in AGGREGATES:
        values, known = nothing.aggregate(Recipe(aggregate, DAY), np.arange(2), np.array([0, DAY]))
        assert values.tolist() == [0.0, 0.0]
        assert not known.any()
        values, known = events_of([Event(0, 0, 1.0)]).aggregate(
            Recipe(aggregate, DAY), np.arange(0), np.empty(0, np.int64)
        )
        assert len(values) == len(known) == 0


def test_infinite_and_missing_numbers_are_no_values() -> None:
    events = [Event(0, HOUR, math.inf), Event(0, HOUR, math.nan), Event(0, HOUR, 5.0)]
    for aggregate, wanted in (("mean", 5.0), ("sum", 5.0), ("count", 1.0), ("max", 5.0), ("last", 5.0)):
        values, known = events_of(events).aggregate(Recipe(aggregate, DAY), np.array([0]), np.array([DAY]))
        assert (values[0], known[0]) == (wanted, True)


def test_rows_of_one_microsecond_are_at_one_instant() -> None:
    """Feast carries instants to the microsecond: an event within the row's own is not after it."""
    values, _ = events_of([Event(0, 5_000_900, 1.0)]).aggregate(
        Recipe("count", DAY), np.array([0]), np.array([5_000_000])
    )
    assert values[0] == 1.0


def test_instants_far_apart() -> None:
    """Years of a thousand entities in steps of a microsecond do not fit on one line of whole numbers."""
    century = 36_525 * DAY
    last = 5_000
    events = [Event(i, at, 1.0 + i) for i in (0, last) for at in (-century, 0, HOUR, century)]
    rows = np.array([0, last])
    for end, wanted in (
        (-century, 1),
        (0, 2),
        (HOUR - 1000, 2),
        (HOUR, 3),
        (2 * HOUR, 3),
        (century, 4),
        (2 * century - 1, 4),
    ):
        values, _ = events_of(events).aggregate(Recipe("count"), rows, np.array([end, end]))
        assert values.tolist() == [wanted, wanted]
        values, _ = events_of(events).aggregate(Recipe("count", end_inclusive=False), rows, np.array([end, end]))
        assert values.tolist() == [wanted - (end in (-century, 0, HOUR, century))] * 2


ZONES = ("America/New_York", "Europe/Berlin", "Australia/Sydney")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("month", range(1, 13))
def test_days_of_a_zone(zone: str, month: int) -> None:
    """A row's own clock is taken for that of the zone, on both edges, whether or not the clock was changed in between."""
    for day in (1, 10, 28):
        row = datetime(2024, month, day, tzinfo=timezone.utc)
        start, end = window_edges(Recipe("mean", 30 * DAY, zone=zone), np.array([nanoseconds(row)]))
        local = row.replace(tzinfo=None)
        assert end[0] == nanoseconds(local.replace(tzinfo=ZoneInfo(zone)))
        assert start[0] == nanoseconds((local - timedelta(days=30)).replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize("hours", [-12, -5, 0, 5.5, 14])
def test_days_of_a_fixed_zone(hours: float) -> None:
    row = datetime(2024, 3, 5, tzinfo=timezone.utc)
    recipe = Recipe("mean", 7 * DAY, offset=int(hours * HOUR))
    start, end = window_edges(recipe, np.array([nanoseconds(row)]))
    assert end[0] == nanoseconds(row - timedelta(hours=hours))
    assert end[0] - start[0] == 7 * DAY
    late = datetime(2024, 3, 5, 17, 20, tzinfo=timezone.utc)
    start, end = window_edges(replace(recipe, midnight=True), np.array([nanoseconds(late)]))
    local = late.astimezone(timezone(timedelta(hours=hours)))
    assert end[0] == nanoseconds(local.replace(hour=0, minute=0))


def test_windows_of_the_calendar() -> None:
    row = datetime(2024, 3, 7, 15, tzinfo=timezone.utc)  # a Thursday
    wanted = {
        "day to date": (datetime(2024, 3, 7, tzinfo=timezone.utc), row),
        "week to date": (datetime(2024, 3, 4, tzinfo=timezone.utc), row),
        "month to date": (datetime(2024, 3, 1, tzinfo=timezone.utc), row),
        "previous day": (datetime(2024, 3, 6, tzinfo=timezone.utc), datetime(2024, 3, 7, tzinfo=timezone.utc)),
    }
    for window, (start, end) in wanted.items():
        found = window_edges(Recipe("mean", window), np.array([nanoseconds(row)]))
        assert [int(edge[0]) for edge in found] == [nanoseconds(start), nanoseconds(end)], window
    assert window_edges(Recipe("mean"), np.array([nanoseconds(row)]))[0][0] == BEGINNING
    # A row at midnight is about the day that ends there.
    start, end = window_edges(
        Recipe("mean", "month to date"), np.array([nanoseconds(datetime(2024, 3, 1, tzinfo=timezone.utc))])
    )
    assert start[0] == nanoseconds(datetime(2024, 2, 1, tzinfo=timezone.utc))


def nanoseconds(moment: datetime) -> int:
    return int((moment - EPOCH) // timedelta(microseconds=1)) * 1000


def test_how_windows_are_written() -> None:
    wanted = {7 * DAY: "7d", 36 * HOUR: "36h", DAY: "1d", 90 * MINUTE: "90m", 10**9: "1s", None: "all history"}
    assert {window: window_text(window) for window in wanted} == wanted
    assert window_text("previous day") == "previous day"


@pytest.mark.parametrize(
    ("dtype", "values", "aggregates"),
    [
        ("Float64", pa.array([1.5, None, 2.5]), AGGREGATES),
        ("Int64", pa.array([3, None, 1], pa.int32()), AGGREGATES),
        ("Int64", pa.array(["b", None, "a"]), ("count", "distinct")),
        ("String", pa.array(["b", None, "a"]).dictionary_encode(), ("last", "min", "max")),
        ("Bool", pa.array([True, None, False]), ("last", "min", "max")),
        ("UnixTimestamp", pa.array([7, None, 5], pa.timestamp("us")), ("last", "min", "max")),
    ],
)
def test_values_become_numbers_in_their_order(dtype: str, values: pa.Array, aggregates: tuple[str, ...]) -> None:
    found = coded(values, 3, declared_type(dtype))
    assert found.aggregates == aggregates
    assert found.valid.tolist() == [True, False, True]
    if dtype != "UnixTimestamp":
        assert (found.numbers[0] > found.numbers[2]) == (dtype != "Float64")


def test_values_of_a_feature_that_no_event_has() -> None:
    declared = declared_type("String")
    found = coded(pa.array(["b", "a", "b"]), 3, declared)
    numbers, valid = found.of_feature(pa.array(["a", "z", None, "b"]), declared)
    assert numbers[[0, 1, 3]].tolist() == [0.0, -1.0, 1.0]
    assert valid.tolist() == [True, True, False, True]


@pytest.mark.parametrize("dtype", ["Array(Float64)", "Map", "Bool"])
def test_features_that_no_events_make(dtype: str) -> None:
    with pytest.raises(pa.ArrowInvalid):
        coded(pa.array(["x"]), 1, declared_type(dtype))
