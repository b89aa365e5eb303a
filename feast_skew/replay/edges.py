"""Where the window of a recipe begins and ends for rows at given instants."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants
from feast_skew.replay.recipe import DAY, Recipe

BEGINNING = NO_INSTANT + 1
_TICK = 1000
_MONDAY = 4 * DAY
"""The first Monday after 1970 began, a Thursday."""


def window_edges(recipe: Recipe, instants: Instants) -> tuple[Instants, Instants]:
    """Give the start and the end of each row's window, in nanoseconds UTC.

    Raises
    ------
    pyarrow.ArrowInvalid
        For a named zone that this machine does not know.
    """
    if isinstance(recipe.window, str):
        start, end = _calendar_edges(recipe, instants)
    else:
        wall = _last_midnight(_wall(recipe, instants)) if recipe.midnight else instants
        local = recipe.midnight or bool(recipe.zone) or recipe.offset != 0
        end = _instant(recipe, wall) if local else instants
        if recipe.window is None:
            start = np.full(len(instants), BEGINNING, dtype=np.int64)
        elif recipe.zone:
            start = _instant(recipe, wall - recipe.window)
        else:
            start = end - recipe.window
    if recipe.lag:
        start = np.where(start == BEGINNING, BEGINNING, start - recipe.lag)
        end = end - recipe.lag
    return start, end


def _calendar_edges(recipe: Recipe, instants: Instants) -> tuple[Instants, Instants]:
    wall = _wall(recipe, instants)
    if recipe.window == "previous day":
        last = _last_midnight(wall)
        return _instant(recipe, last - DAY), _instant(recipe, last)
    # A row at midnight is about the day that ends there.
    inside = wall - _TICK
    if recipe.window == "day to date":
        begin = inside // DAY * DAY
    elif recipe.window == "week to date":
        begin = (inside - _MONDAY) // (7 * DAY) * (7 * DAY) + _MONDAY
    else:
        months = inside.astype("datetime64[ns]").astype("datetime64[M]")
        begin = months.astype("datetime64[ns]").astype(np.int64)
    return _instant(recipe, begin), instants


def _last_midnight(wall: Instants) -> Instants:
    cut: Instants = wall // DAY * DAY
    return cut


def clock_offsets(zone: str, instants: Instants) -> Instants:
    """Give how far the clock of a named zone is ahead of UTC at some instants, in nanoseconds."""
    aware = pa.array(instants).cast(pa.timestamp("ns", tz=zone))
    return np.asarray(pc.local_timestamp(aware).cast(pa.int64())) - instants


def read_by_clock(zone: str, wall: Instants) -> Instants:
    """Give when a clock in a named zone shows some times; of two such moments the earlier one."""
    naive = pa.array(wall).cast(pa.timestamp("ns"))
    aware = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest")
    return np.asarray(aware.cast(pa.int64()))


def _wall(recipe: Recipe, instants: Instants) -> Instants:
    """Give what a clock in the zone shows at some instants."""
    if not recipe.zone:
        return instants + recipe.offset
    return instants + clock_offsets(recipe.zone, instants)


def _instant(recipe: Recipe, wall: Instants) -> Instants:
    """Give when a clock in the zone shows that."""
    return read_by_clock(recipe.zone, wall) if recipe.zone else wall - recipe.offset
