"""`restated`: online has the value from before offline was corrected at the same event timestamp."""

from __future__ import annotations

from feast_skew.core.arrays import Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, Explanation, rule, share_text
from feast_skew.diagnosis.rewriting import write_again
from feast_skew.report import Cause


def _proven(case: Case) -> Mask:
    return case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT) & case.equal_to_earlier_version


@rule("restated", kind="how", covers=lambda case, _: _proven(case))
def restated(case: Case) -> Explanation | None:
    """Claim wrong pairs that equal an earlier version of the offline row, which its created timestamps tell apart.

    Without that proof nothing is said here: `frozen` names the possibility.
    """
    proven = _proven(case)
    count = case.total(proven)
    if not count:
        return None
    wrong = case.total(case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT))
    return Explanation(
        Cause(
            "restated",
            "how",
            count / wrong,
            1.0,
            f"{share_text(count, wrong)} of the wrong online values equal an earlier version of the offline row with "
            f"the same event timestamp; offline was corrected later",
            {"equal_to_earlier_version": count / wrong, "entities": count},
            write_again(case.view),
        ),
        proven,
    )
