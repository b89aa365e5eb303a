"""`orphan`: there online although offline has nothing for that entity."""

from __future__ import annotations

import numpy as np

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, Explanation, rule, share_text
from feast_skew.report import Cause

_REMEDY = "delete these keys online, or restore the offline rows; Feast never deletes online rows by itself"


@rule("orphan", kind="how", covers=lambda case, _: case.pairs.mask(PairClass.ONLINE_ONLY))
def orphan(case: Case) -> Explanation | None:
    """Claim entities of the sample that online knows and offline does not; what a key scan found is a finding."""
    found = case.pairs.mask(PairClass.ONLINE_ONLY)
    count = case.total(found)
    if not count:
        return None
    share = count / case.total(case.wrong | case.absent)
    detail = f"{share_text(count, case.total(np.ones(len(found), dtype=bool)))} of the entities have an online row and no offline row"
    return Explanation(Cause("orphan", "how", share, 1.0, detail, {"entities": count}, _REMEDY), found)
