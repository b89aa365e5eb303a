"""`null_fill`: null online where offline has a value."""

from __future__ import annotations

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, Explanation, rule, share_text
from feast_skew.report import Cause


@rule("null_fill", kind="what", covers=lambda case, _: case.pairs.mask(PairClass.NULL_ONLINE))
def null_fill(case: Case) -> Explanation | None:
    """Claim pairs that are null online only; all of them null means that the feature was never written."""
    nulls = case.pairs.mask(PairClass.NULL_ONLINE)
    count = case.total(nulls)
    if not count:
        return None
    valued = count + case.count(PairClass.MATCH) + case.count(PairClass.MISMATCH)
    everywhere = count == valued
    detail = f"{share_text(count, valued)} of the values that offline has are null online"
    remedy = "find the step that drops the value on its way online, then materialize again"
    if everywhere:
        detail += "; the feature may have been added after its view was materialized"
        remedy = (
            (
                "write the rows again: Redis skips rows whose timestamp is not newer, so materialize once with "
                "`skip_dedup: true`"
            )
            if case.view.keeps_newer
            else "materialize the whole range again"
        )
    return Explanation(
        Cause(
            "null_fill",
            "what",
            count / case.total(case.wrong),
            1.0,
            detail,
            {"entities": count, "share": count / valued},
            remedy,
        ),
        nulls,
    )
