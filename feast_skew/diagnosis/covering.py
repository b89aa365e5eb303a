"""Causes of entities that no rule has looked at, from causes that rules found on drawn ones of the same feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import RULES, Case, load_rules
from feast_skew.diagnosis.explain import REALIGNED
from feast_skew.report import Cause


def covered_codes(case: Case, causes: Sequence[Cause]) -> NDArray[np.str_]:
    """Name for each entity the first cause that explains it, as `explain` does for those that it looks at.

    A wrong entity without any is `unknown`; nothing is said of one that may belong to a cause which cannot be told from a row
    alone.
    """
    load_rules()
    codes = np.where(case.wrong, "unknown", "").astype("<U32")
    left = np.ones(len(codes), dtype=bool)
    for cause in causes:
        rule = RULES.get(cause.code)
        if rule is None:  # `unknown` itself
            continue
        told = None if cause.evidence.get(REALIGNED) else rule.covers
        covered = None if told is None else told(case, cause)
        if covered is None:
            hidden = left & (case.wrong | case.pairs.mask(PairClass.UNALIGNED))
            codes[hidden] = ""
            left &= ~hidden
            continue
        mine = left & covered
        codes[mine] = cause.code
        left &= ~mine
    return codes
