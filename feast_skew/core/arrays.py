"""Names for the numpy arrays that run through the code, by what they hold, and their distinct values."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Instants = NDArray[np.int64]
Positions = NDArray[np.int64]
Floats = NDArray[np.float64]

Number = TypeVar("Number", bound=np.integer)


def distinct(numbers: NDArray[Number]) -> NDArray[Number]:
    """Give the distinct ones of some whole numbers in rising order; empty for none."""
    # Asked for counts too, numpy sorts. Its table of hashes, since 2.3, takes 20 to 40 times as long when most are distinct.
    return np.unique(numbers, return_counts=True)[0]
