"""`orphan`: there online although offline has nothing for that entity."""

from __future__ import annotations

import numpy as np

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, Explanation, rule, share_text
from feast_skew.report import Cause

_REMEDY = "delete these keys online, or restore the offline rows; Feast never deletes online rows by itself"


@rule("orphan", kind="how")
def orphan(case: Case) -> Explanation | None:
    """Claim entities that online knows and offline does not, in the sample or among the keys that a scan found."""
    inside = case.pairs.mask(PairClass.ONLINE_ONLY)
    count = int(inside.sum())
    scan = case.orphans
    if count:
        share = count / int((case.wrong | case.absent).sum())
        detail = f"{share_text(count, len(inside))} of the entities have an online row and no offline row"
        return Explanation(Cause("orphan", "how", share, 1.0, detail, {"entities": count}, _REMEDY), inside)
    if scan is not None and scan.found:
        reach = "all keys were seen" if scan.complete else "not all keys were seen"
        detail = (
            f"a scan of {scan.scanned:,} keys found {scan.found:,} online rows of entities that offline does not "
            f"know ({reach}); they are not part of the sample"
        )
        share = scan.found / max(scan.scanned, 1)
        return Explanation(
            Cause(
                "orphan",
                "how",
                share,
                1.0,
                detail,
                {"scanned": scan.scanned, "found": scan.found, "complete": scan.complete},
                _REMEDY,
            ),
            np.zeros(len(inside), dtype=bool),
        )
    return None
