"""Whether offline values lie on one side of a limit more than chance puts them there."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Floats
from feast_skew.diagnosis.base import Case

_BY_CHANCE = 1e-4
_BESIDE = 0.1


def all_on_one_side(case: Case, limit: float, off: Floats) -> int:
    """Give 1 when these offline numbers lie above a limit and -1 when they lie below, else 0.

    At most a tenth as many as chance puts there may lie on the other side. 0 as well where so many of the feature's aligned
    offline numbers lie on one side that any choice of them would.
    """
    positions, every, _ = case.compared_numbers
    below, above = case.total(positions[every < limit]), case.total(positions[every > limit])
    if not (below + above) or not len(off):
        return 0
    for side, beside in ((1, below / (below + above)), (-1, above / (below + above))):
        strays = np.count_nonzero(off * side <= limit * side)
        chance = len(off) * np.log1p(-min(beside, 1.0 - 1e-9))
        if chance <= np.log(_BY_CHANCE) and strays <= _BESIDE * beside * len(off):
            return side
    return 0
