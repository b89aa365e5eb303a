"""How far apart two numbers may be and still be the same."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are equal when |offline - online| <= atol + rtol * max(|offline|, |online|).

    `whole` tells whether that holds for two integers inside of a nested value as well. The defaults of nested types
    leave integers exact, since those are ids, counts and seconds as often as measures.
    """

    rtol: float = 0.0
    atol: float = 0.0
    whole: bool = True

    def allows(self, offline: float, online: float) -> bool:
        """Tell whether two numbers of plain Python are the same; infinities are near to nothing but themselves."""
        if offline == online:
            return True
        try:
            if isinstance(offline, int) and isinstance(online, int):
                bound = math.floor(self.atol + self.rtol * max(abs(offline), abs(online)))
                return self.whole and abs(offline - online) <= bound
            a, b = float(offline), float(online)
        except OverflowError:  # integers beyond doubles
            return False
        if not (math.isfinite(a) and math.isfinite(b)):
            return False
        return abs(a - b) <= self.atol + self.rtol * max(abs(a), abs(b))


EXACT = Tolerance()
