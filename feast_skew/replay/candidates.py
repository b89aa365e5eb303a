"""The recipes that are tried around one: each differs in one part, the simpler change first."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from feast_skew.replay.events import AGGREGATES
from feast_skew.replay.recipe import CALENDAR, DAY, HOUR, Recipe

QUARTER = 900 * 10**9
FARTHEST = 14 * HOUR
"""No zone of the world is farther from UTC."""

WINDOWS: tuple[int, ...] = (
    *(minutes * HOUR // 60 for minutes in (5, 10, 15, 30)),
    *(hours * HOUR for hours in range(1, 24)),
    36 * HOUR,
    *(days * DAY for days in (*range(1, 183), 365)),
)
USUAL = frozenset(
    (None, *(hours * HOUR for hours in (1, 6, 12)), *(days * DAY for days in (1, 3, 7, 14, 28, 30, 60, 90, 180, 365)))
)
"""Windows that people choose: of several that give the same values one of these is taken."""

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Australia/Sydney",
)
"""Zones whose distance from UTC changes within the year; the others are like a fixed one."""


def neighbours(recipe: Recipe, aggregates: Collection[str], *, on_days: bool, has_nulls: bool) -> Iterator[Recipe]:
    """Yield the recipes that differ from one in a single part.

    `on_days` tells that rows stand at midnights, so that another end within a day is another zone, and a lag is one of whole days.
    """
    yield from windows_of(recipe)
    yield from aggregates_of(recipe, aggregates, has_nulls=has_nulls)
    yield from _edges_of(recipe)
    hours = () if on_days else range(1, 24)
    for lag in (*(hour * HOUR for hour in hours), *(day * DAY for day in range(1, 8))):
        if lag != recipe.lag:
            yield replace(recipe, lag=lag)
    if recipe.lag:
        yield replace(recipe, lag=0)
    yield from _zones_of(recipe, on_days=on_days)


def windows_of(recipe: Recipe) -> Iterator[Recipe]:
    """Yield the recipe with every other window."""
    for window in (*WINDOWS, *CALENDAR, None):
        if window != recipe.window:
            yield replace(recipe, window=window)


def aggregates_of(recipe: Recipe, aggregates: Collection[str], *, has_nulls: bool) -> Iterator[Recipe]:
    """Yield the recipe with every other aggregate, and with what may become of nulls and repeated events."""
    for name in AGGREGATES:
        if name not in aggregates:
            continue
        for nulls in _nulls(name) if has_nulls or name == "count" else ("skip",):
            for ddof in (1, 0) if name == "std" else (1,):
                other = replace(recipe, aggregate=name, nulls=nulls, ddof=ddof)
                if (name, nulls, ddof) != (recipe.aggregate, recipe.nulls, recipe.ddof) and not (
                    name == recipe.aggregate and not has_nulls and ddof == recipe.ddof
                ):
                    yield other
    yield replace(recipe, once=not recipe.once)


def _nulls(aggregate: str) -> tuple[str, ...]:
    if aggregate == "count":
        return ("skip", "keep")
    return ("skip", "keep", "zero") if aggregate == "last" else ("skip", "zero")


def _edges_of(recipe: Recipe) -> Iterator[Recipe]:
    start, end = recipe.start_inclusive, recipe.end_inclusive
    yield replace(recipe, end_inclusive=not end)
    yield replace(recipe, start_inclusive=not start)
    yield replace(recipe, start_inclusive=not start, end_inclusive=not end)


def _zones_of(recipe: Recipe, *, on_days: bool) -> Iterator[Recipe]:
    plain = replace(recipe, offset=0, zone="", midnight=False)
    days = on_days or isinstance(recipe.window, str)
    steps = range(1, FARTHEST // QUARTER + 1)
    for midnight in (False, True):
        found = replace(plain, midnight=midnight)
        if found != recipe:
            yield found
        if not (days or midnight):
            # Without days there is no zone of theirs, but events may be kept by another clock than UTC.
            yield from (replace(found, offset=-step * HOUR) for step in range(1, 15))
            continue
        for step in steps:
            for sign in (-1, 1):
                if sign * step * QUARTER != recipe.offset or midnight != recipe.midnight:
                    yield replace(found, offset=sign * step * QUARTER)
        yield from (replace(found, zone=zone) for zone in ZONES if zone != recipe.zone)


def complexity(recipe: Recipe, declared: Recipe) -> tuple[float, ...]:
    """Rank a recipe by how far it is from the declared one: parts changed first, then by how much.

    Of zones of days a fixed one comes before a named one, whole hours before others, and the nearer one first; of windows the usual ones.
    """
    changed = sum(
        (
            recipe.aggregate != declared.aggregate,
            recipe.window != declared.window,
            recipe.lag != declared.lag,
            (recipe.offset, recipe.zone) != (declared.offset, declared.zone),
            recipe.midnight != declared.midnight,
            (recipe.nulls, recipe.ddof) != (declared.nulls, declared.ddof),
            recipe.start_inclusive != declared.start_inclusive,
            recipe.end_inclusive != declared.end_inclusive,
            recipe.once != declared.once,
        )
    )
    return (
        changed,
        isinstance(recipe.window, str),
        recipe.window not in USUAL,
        bool(recipe.zone),
        recipe.offset % HOUR != 0,
        recipe.offset % (HOUR // 2) != 0,
        abs(recipe.offset - declared.offset),
        recipe.lag,
        _distance(recipe.window, declared.window),
        recipe.offset,
    )


def _distance(window: int | str | None, declared: int | str | None) -> float:
    if isinstance(window, int) and isinstance(declared, int):
        return abs(window - declared)
    return 0.0 if window == declared else float(10**6 * DAY)
