"""How many entities leave their own history behind, upwards and downwards: a rank test of movement.

Without skew, the difference of online to the row before is one more step of offline's, over a gap that is not longer. Of
an entity's k steps and this one, each is as likely to be the largest in size, so it is the observed one for at most
1 / (k + 1) of the entities, whatever the tails and the units of the feature. A bad day pushes all entities one way; another
definition scatters them both ways: the geometric mean of both shares, twice, is what is judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._movement_rules import FEWEST, MovementStatistic, ratio, share_low, verdict
from feast_skew.statistics._selection import difference

Floats = NDArray[np.float64]

NAME = "outruns"
FEWEST_STEPS = 3
SLACK = 1.75
"""Times 1 / (k + 1): room for days that are more restless than the ones before, both ways at once."""

RELEVANT = 0.02
"""In robust standard deviations among entities: by how much a largest step has to be exceeded to count."""


def outruns(
    online: Floats,
    before: Floats,
    steps: Sequence[tuple[Floats, Floats]],
    spread: float,
    *,
    confidence: float,
    rtol: float,
    atol: float,
) -> MovementStatistic:
    """Judge how many entities moved further than in any of their own earlier steps, in both directions.

    Parameters
    ----------
    online, before : array of float
        Of the same entities; NaN where there is no number.
    steps : sequence of (newer, older)
        Offline's own steps over gaps at least as long. Entities with fewer than three are left out.
    spread : float
        Robust standard deviation among entities, in the unit of the values.
    confidence : float
        Of the exact lower bound of each share.
    rtol, atol : float
        Differences within them are none.

    Returns
    -------
    MovementStatistic
        Shares from 0 to 1; reported only, without a limit, when fewer than 30 entities have three steps.
    """
    moves = np.array([difference(new, old, rtol, atol) for new, old in steps]).reshape(len(steps), online.size)
    known = np.sum(np.isfinite(moves), axis=0) if len(steps) else np.zeros(online.size, dtype=int)
    moved = difference(online, before, rtol, atol)
    judged = np.isfinite(moved) & (known >= FEWEST_STEPS)
    n = int(judged.sum())
    if n < FEWEST:
        reason = f"{NAME}: only {n} entities have {FEWEST_STEPS} earlier steps; {FEWEST} are needed"
        return MovementStatistic(NAME, None, None, None, None, None, None, "reported", reason)
    furthest = np.nanmax(np.abs(moves[:, judged]), axis=0) + RELEVANT * spread
    up, down = int(np.sum(moved[judged] > furthest)), int(np.sum(moved[judged] < -furthest))
    value = 2.0 * float(np.sqrt(up * down)) / n
    low = 2.0 * float(np.sqrt(share_low(up, n, confidence) * share_low(down, n, confidence)))
    expected = float(np.mean(1.0 / (known[judged] + 1)))
    limit = min(1.0, SLACK * expected)
    reason = (
        f"{NAME}: {up / n:.1%} of {n:,} entities moved up and {down / n:.1%} down by more than in any of their own earlier "
        f"steps; chance alone gives {expected:.1%} together"
    )
    found = verdict(value, low, limit)
    return MovementStatistic(NAME, value, low, expected, None, ratio(value, expected), limit, found, reason)
