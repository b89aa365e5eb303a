"""`null_fill`: null online where offline has a value."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.diagnosis.rewriting import write_again
from feast_skew.report import Cause


def _nulls(case: Case, cause: Cause) -> Mask:
    if "unaligned" not in cause.evidence:
        return case.pairs.mask(PairClass.NULL_ONLINE)
    apart, nulls = case.pairs.mask(PairClass.UNALIGNED), case.pairs.mask(PairClass.NULL_ONLINE)
    return nulls | (apart if cause.evidence["others_agree"] else apart & np.asarray(case.pairs.online.is_null()))


@rule("null_fill", kind="what", covers=_nulls)
def null_fill(case: Case) -> Explanation | None:
    """Claim pairs that are null online only; all of them null means that the feature was never written."""
    if case.unaligned_failed and case.movement.get("nulls", {}).get("verdict") == "beyond":
        return _null_fill_apart(case)
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
        remedy = write_again(case.view)
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


def _null_fill_apart(case: Case) -> Explanation | None:
    """Claim rows that never align and are null online where offline had a value, which offline itself loses more rarely.

    When that is all by which they fail, the others are explained too: they agree as far as such rows can tell.
    """
    positions, before, online = case.unaligned_pairs
    lost = np.asarray(before.is_valid()) & np.asarray(online.is_null())
    come = np.asarray(before.is_null()) & np.asarray(online.is_valid())
    count, valued = case.total(positions[lost]), case.total(positions[np.asarray(before.is_valid())])
    if count < FEWEST_ROWS or count <= case.total(positions[come]):
        return None
    alone = all(one["verdict"] != "beyond" for name, one in case.movement.items() if name != "nulls")
    explained = case.marked(positions[lost])
    explained |= case.pairs.mask(PairClass.NULL_ONLINE)
    if alone:
        explained |= case.rows.unaligned
    usual = case.movement["nulls"].get("movement") or 0.0
    others = "; the others differ by no more than offline itself moves" if alone else ""
    return Explanation(
        Cause(
            "null_fill",
            "what",
            case.total(explained) / case.total(case.wrong),
            0.9,
            f"{share_text(count, valued)} of the values that offline has shortly before are null online, where offline itself "
            f"turns null or back for {usual:.1%}{others}",
            {"entities": count, "share": count / valued, "unaligned": True, "others_agree": alone},
            "find the step that drops the value on its way online, then materialize again",
        ),
        explained,
    )
