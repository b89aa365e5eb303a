"""The recipe that made some values is found again, and nothing is found where none did."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from feast_skew.core.arrays import Floats, Mask
from feast_skew.replay.candidates import ZONES, complexity, neighbours
from feast_skew.replay.events import AGGREGATES, Events
from feast_skew.replay.recipe import DAY, HOUR, Recipe
from feast_skew.replay.search import Found, Target, find_recipe, matches

ENTITIES = 600
PER_ENTITY = 120
START = 1_704_067_200 * 10**9
MEAN = Recipe("mean", 30 * DAY)


@cache
def world(seed: int, kind: str = "amounts") -> tuple[Events, np.ndarray]:
    """Events of 200 days at whole minutes around the clock, and a midnight for each entity; about one value in fifty is missing."""
    random = np.random.default_rng(seed)
    size = ENTITIES * PER_ENTITY
    at = START + random.integers(0, 200 * 24 * 60, size) * 60 * 10**9
    # Some events lie on the edge of a window.
    at = np.where(random.random(size) < 0.1, at // DAY * DAY, at)
    numbers = {
        "amounts": random.lognormal(3, 1, size),
        "delays": np.round(random.gamma(1.5, 20, size) - 15),
        "few": random.integers(0, 4, size).astype(float),
    }[kind]
    events = Events(random.integers(0, ENTITIES, size), at, numbers, random.random(size) > 0.02)
    return events, START + (185 + random.integers(0, 15, ENTITIES)) * DAY


def made(events: Events, recipe: Recipe, instants: np.ndarray) -> tuple[Floats, Mask]:
    return events.aggregate(recipe, np.arange(len(instants)), instants)


def target(values: Floats, known: Mask, instants: np.ndarray) -> Target:
    return Target(np.arange(len(values)), instants, values, known, 1e-9, 1e-12)


def find(events: Events, declared: Recipe, wanted: Target) -> Found | None:
    return find_recipe(events, declared, wanted, AGGREGATES)


PLANTED = [
    *(replace(MEAN, window=window) for window in (DAY, 7 * DAY, 14 * DAY, 29 * DAY, 31 * DAY, 90 * DAY, 180 * DAY)),
    *(replace(MEAN, window=window) for window in ("month to date", "week to date")),
    *(replace(MEAN, aggregate=name) for name in AGGREGATES if name not in ("mean", "count")),
    Recipe("count", 30 * DAY, nulls="keep"),
    Recipe("count", 30 * DAY, nulls="skip"),
    replace(MEAN, aggregate="std", ddof=0),
    replace(MEAN, nulls="zero"),
    replace(MEAN, lag=DAY),
    replace(MEAN, lag=7 * DAY),
    replace(MEAN, end_inclusive=False),
    replace(MEAN, start_inclusive=True),
    replace(MEAN, offset=-5 * HOUR),
    replace(MEAN, offset=5 * HOUR + HOUR // 2),
    replace(MEAN, offset=HOUR // 4),
    replace(MEAN, window=7 * DAY, aggregate="max"),
    replace(MEAN, window=7 * DAY, offset=-5 * HOUR),
    replace(MEAN, window=7 * DAY, lag=2 * DAY),
    replace(MEAN, window=7 * DAY, end_inclusive=False),
    replace(MEAN, window=7 * DAY, nulls="zero"),
]


@pytest.mark.parametrize("recipe", PLANTED, ids=str)
def test_what_was_planted_is_found(recipe: Recipe) -> None:
    # Of amounts that never repeat there are as many as distinct ones.
    events, instants = world(0, "delays" if recipe.aggregate in ("distinct", "count") else "amounts")
    found = find(events, MEAN, target(*made(events, recipe, instants), instants))
    assert found is not None
    assert found.recipe == recipe
    assert found.same.all()


@pytest.mark.parametrize(("window", "seed"), [(7, 0), (29, 1), (60, 2)])
@pytest.mark.parametrize("kind", ["delays", "few"])
@pytest.mark.parametrize("aggregate", ["mean", "count", "sum", "max"])
def test_windows_of_values_that_often_agree(aggregate: str, kind: str, window: int, seed: int) -> None:
    """Small whole numbers are met by many recipes, each by rows of its own; the right one by all."""
    events, instants = world(seed, kind)
    declared, planted = Recipe(aggregate, 30 * DAY), Recipe(aggregate, window * DAY)
    values, known = made(events, planted, instants)
    wrong = np.flatnonzero(~matches(events, declared, target(values, known, instants)))
    found = find(events, declared, target(values, known, instants).take(wrong))
    if (kind, aggregate) == ("few", "max"):  # which is three nearly everywhere: values of too few kinds prove nothing
        assert found is None
    else:
        assert found is not None
        assert (found.recipe, found.same.all()) == (planted, True)


def test_a_named_zone_where_its_clock_was_changed() -> None:
    events, _ = world(0)
    # Rows within a month of the change, so that one edge lies before it and one after.
    instants = START + (75 + np.random.default_rng(0).integers(0, 20, ENTITIES)) * DAY
    for zone in ZONES[:2]:
        recipe = replace(MEAN, zone=zone)
        found = find(events, MEAN, target(*made(events, recipe, instants), instants))
        assert found is not None
        assert found.recipe == recipe


@pytest.mark.parametrize("hours", [1, 6, 48])
def test_a_lag_of_rows_at_any_time(hours: int) -> None:
    events, instants = world(0)
    instants = instants + np.random.default_rng(0).integers(1, 86_000, ENTITIES) * 10**9
    recipe = replace(MEAN, lag=hours * HOUR)
    found = find(events, MEAN, target(*made(events, recipe, instants), instants))
    assert found is not None
    assert found.recipe == recipe


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6])
@pytest.mark.parametrize("kind", ["amounts", "delays"])
def test_a_part_of_the_values(kind: str, share: float) -> None:
    events, instants = world(0, kind)
    random = np.random.default_rng(0)
    values, known = made(events, replace(MEAN, window=7 * DAY), instants)
    mine = random.random(ENTITIES) < share
    other = np.where(mine, values, random.normal(10, 50, ENTITIES))
    found = find(events, MEAN, target(other, known | ~mine, instants))
    assert found is not None
    assert found.recipe.window == 7 * DAY
    assert (found.same == mine).all()


def test_few_rows_are_enough_when_their_values_differ() -> None:
    events, instants = world(0)
    values, known = made(events, replace(MEAN, window=7 * DAY), instants)
    wanted = target(values, known, instants)
    found = find(events, MEAN, wanted.take(np.flatnonzero(known)[:5]))
    assert found is not None
    assert found.recipe.window == 7 * DAY
    assert find(events, MEAN, wanted.take(np.flatnonzero(known)[:4])) is None


NOISE = {
    "noise": lambda v, r: v + r.normal(0, 5, len(v)),
    "scaled": lambda v, _: v * 60,
    "shifted": lambda v, _: v + 3.5,
    "another entity": lambda v, r: r.permutation(v),
    "a constant": lambda v, _: np.zeros(len(v)),
    "one off": lambda v, r: v + r.choice([-1, 1], len(v)),
    "one more": lambda v, _: v + 1,
    "a few off": lambda v, r: np.maximum(0, v + r.integers(-3, 4, len(v))),
    "half": lambda v, _: np.round(v / 2),
    "thinned": lambda v, r: r.binomial(np.maximum(0, v).astype(int), 0.6).astype(float),
    "capped": lambda v, _: np.minimum(v, np.quantile(v, 0.3)),
    "rounded": lambda v, _: np.round(v, -1),
    "other sign": lambda v, _: -v,
    "random counts": lambda v, r: r.poisson(max(1.0, abs(float(v.mean()))), len(v)).astype(float),
}


@pytest.mark.parametrize(
    ("name", "aggregate"),
    [
        *((name, "count") for name in NOISE),
        *((name, aggregate) for name in ("noise", "one off") for aggregate in ("mean", "max", "last")),
    ],
)
def test_what_no_recipe_makes_is_not_found(name: str, aggregate: str) -> None:
    seed = len(name)
    events, instants = world(seed, "delays")
    declared = Recipe(aggregate, 30 * DAY)
    values, known = made(events, declared, instants)
    other = np.asarray(NOISE[name](values, np.random.default_rng(seed)), dtype=float)
    wrong = np.flatnonzero((other != values) & known)
    found = find(events, declared, target(other, known, instants).take(wrong))
    assert found is None, (found.recipe, found.same.mean())


def test_of_recipes_that_give_the_same_the_simplest_is_taken() -> None:
    """Events between 12 and 14 UTC: days of many zones hold the same ones, and those of the nearest one are named."""
    random = np.random.default_rng(0)
    size = 60_000
    at = START + random.integers(0, 200, size) * DAY + 12 * HOUR + random.integers(0, 120, size) * 60 * 10**9
    events = Events(random.integers(0, 300, size), at, random.normal(size=size), np.ones(size, dtype=bool))
    instants = START + (185 + random.integers(0, 15, 300)) * DAY
    # Days of UTC-13 end at 13 UTC of the next one, which cuts the hours; of UTC-14 after them, which is a day later.
    recipe = replace(MEAN, offset=-13 * HOUR)
    found = find(events, MEAN, target(*made(events, recipe, instants), instants))
    assert found is not None
    assert found.recipe == recipe
    assert complexity(replace(MEAN, offset=-5 * HOUR), MEAN) < complexity(replace(MEAN, offset=-10 * HOUR), MEAN)
    assert complexity(replace(MEAN, offset=-10 * HOUR), MEAN) < complexity(replace(MEAN, zone=ZONES[0]), MEAN)
    assert complexity(replace(MEAN, window=7 * DAY), MEAN) < complexity(replace(MEAN, window=8 * DAY), MEAN)
    assert complexity(replace(MEAN, window=25 * DAY), MEAN) < complexity(replace(MEAN, window=9 * DAY), MEAN)
    assert complexity(replace(MEAN, offset=5 * HOUR), MEAN) < complexity(replace(MEAN, offset=19 * HOUR // 4), MEAN)
    assert complexity(replace(MEAN, zone=ZONES[0]), MEAN) < complexity(replace(MEAN, window=DAY, lag=DAY), MEAN)


def test_neighbours_are_the_contract_s() -> None:
    """Windows from an hour to 180 days, those of the calendar and none, all aggregates, edges, lags, nulls and zones."""
    around = list(neighbours(MEAN, AGGREGATES, on_days=False, has_nulls=True))
    assert len(around) == len(set(around))
    assert MEAN not in around
    windows = {one.window for one in around}
    assert {HOUR, 2 * HOUR, 12 * HOUR, 18 * HOUR, *(days * DAY for days in range(1, 181) if days != 30)} <= windows
    assert {26 * 7 * DAY, None, "day to date", "week to date", "month to date", "previous day"} <= windows
    assert {one.aggregate for one in around} == set(AGGREGATES)
    assert {one.lag for one in around} >= {HOUR, 23 * HOUR, DAY, 7 * DAY}
    assert {(one.start_inclusive, one.end_inclusive) for one in around} == {(a, b) for a in (0, 1) for b in (0, 1)}
    on_days = list(neighbours(MEAN, AGGREGATES, on_days=True, has_nulls=True))
    assert {one.offset for one in on_days} == {quarter * HOUR // 4 for quarter in range(-56, 57)}
    assert {one.zone for one in on_days} == {"", *ZONES}
