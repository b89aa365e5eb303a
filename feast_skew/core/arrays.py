"""Names for the numpy arrays that run through the code, by what they hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Instants = NDArray[np.int64]
Positions = NDArray[np.int64]
Floats = NDArray[np.float64]
