"""Instants that lie one and the same offset of a zone from the row that holds them: a clock that is off.

Rows that a stream writes at events often hold the instant of that event, which is then the row's own. Where (nearly) all of them
lie whole quarter-hours from it, all the same ones, the event did not happen then: somebody read a local time as UTC. Offline's own moves
say nothing of that, as the last event is any time ago at the instant of a nightly row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics import _movement_rules as rules
from feast_skew.statistics._movement_rules import MovementStatistic

Floats = NDArray[np.float64]

NAME = "clock"
QUARTER = 900.0
"""Seconds: all zones are whole quarters of an hour from each other."""
_DAY = 86400.0
_WIDEST = 26 * 3600.0


def zone_offsets(seconds: Floats) -> NDArray[np.bool_]:
    """Tell which differences two zones can have: whole quarter-hours up to 26 hours, but no whole days; not of NaN or infinity."""
    with np.errstate(invalid="ignore"):
        whole = (seconds % QUARTER == 0) & (seconds % _DAY != 0)
        return np.asarray(np.isfinite(seconds) & whole & (np.abs(seconds) <= _WIDEST), dtype=np.bool_)


def is_zone_offset(seconds: float) -> bool:
    """Tell it of one difference in seconds."""
    return bool(zone_offsets(np.array([seconds]))[0])


def common_offset(ages: Floats) -> tuple[float, int]:
    """Give the commonest offset that zones have, in whole seconds, and how many have it; (0.0, 0) where none has."""
    seconds = np.floor(ages[np.isfinite(ages)])
    values, counts = np.unique(seconds[zone_offsets(seconds)], return_counts=True)
    if not len(values):
        return 0.0, 0
    most = int(np.argmax(counts))
    return float(values[most]), int(counts[most])


def clock_statistic(online: Floats, before: Floats, confidence: float) -> MovementStatistic:
    """Judge the share of instants that are one offset of a zone from their own rows, beside the same share offline.

    Parameters
    ----------
    online, before : array of float
        Seconds from the timestamp of the row to the instant that it holds, one per entity; NaN where there is none.
    confidence : float
        Of each exact bound.

    Returns
    -------
    MovementStatistic
        Shares from 0 to 1; beyond from ``COLLAPSED`` on, else within, reported with fewer than 30 entities.
    """
    both = np.isfinite(online) & np.isfinite(before)
    counts = [(common_offset(side[both])[1], int(both.sum())) for side in (online, before)]
    return rules.nearly_all(rules.share_statistic(NAME, counts[0], counts[1:], confidence))
