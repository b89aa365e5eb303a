"""Instants that lie one and the same offset of a zone from the row that holds them, where offline's do not: a clock that is off.

Rows that a stream writes at events often hold the instant of that event, which is then the row's own. Where (nearly) all of them
lie whole quarter-hours from it, all the same ones, somebody may have read a local time as UTC. It may also be what the feature means (a session that
expires half an hour after its last event), and offline tells which: a nightly row holds the last event before it, plus the same offset. Instants between
the row and that offset are many in the one case, and none in the other.
"""

from __future__ import annotations

from dataclasses import replace

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
_BATCH = 3600.0
_ENOUGH = 10


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
        Shares from 0 to 1; beyond from ``COLLAPSED`` on where offline's instants show that it has no such offset, else within; reported
        with fewer than 30 entities.
    """
    both = np.isfinite(online) & np.isfinite(before)
    (offset, count), (_, usual) = common_offset(online[both]), common_offset(before[both])
    found = rules.nearly_all(
        rules.share_statistic(NAME, (count, int(both.sum())), [(usual, int(both.sum()))], confidence)
    )
    if found.verdict == "beyond" and not _is_otherwise(offset, before[both]):
        return replace(found, verdict="within")
    return found


def _is_otherwise(offset: float, before: Floats) -> bool:
    """Tell whether offline's instants cannot have that offset: there are many where none would be, or none where many would be.

    Offsets up to an hour back may be the length of a batch whose rows bear the time of its end.
    """
    if offset < 0:
        return offset < -_BATCH and int(np.count_nonzero((before > offset) & (before <= 0))) >= _ENOUGH
    ahead = np.count_nonzero((before > 0) & (before <= offset))
    behind = np.count_nonzero((before > -offset) & (before <= 0))
    return int(behind) >= _ENOUGH and int(ahead) == 0


def same_age(online: Floats, before: Floats) -> bool:
    """Tell whether (nearly) all instants lie equally far from their own rows, online as before: as the time of writing does."""
    both = np.isfinite(online) & np.isfinite(before)
    if not both.any():
        return False
    age = float(np.median(online[both]))
    return bool(np.mean(online[both] == age) >= rules.COLLAPSED and np.mean(before[both] == age) >= rules.COLLAPSED)
