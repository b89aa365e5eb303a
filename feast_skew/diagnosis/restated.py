"""`restated`: online has the value from before offline was corrected at the same event timestamp."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import POSSIBLE, Case, Explanation, rule, share_text
from feast_skew.report import Cause

_EXPLAINED_BY_HISTORY = 0.5


def _suspects(case: Case) -> Mask:
    return case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT)


def _covers(case: Case, cause: Cause) -> Mask:
    proven = cause.evidence["equal_to_earlier_version"] is not None
    return _suspects(case) & case.equal_to_earlier_version if proven else _suspects(case)


@rule("restated", kind="how", covers=_covers)
def restated(case: Case) -> Explanation | None:
    """Claim wrong pairs that equal an earlier version of the offline row; without versions, name the possibility.

    Proof needs a created timestamp: then the source still has the version that was written online. Without one, the
    pattern alone (same timestamp, other value, a store that keeps what is not older) is said as a possibility.
    """
    suspects = _suspects(case)
    wrong = case.total(suspects)
    if not wrong:
        return None
    proven = suspects & case.equal_to_earlier_version
    count = case.total(proven)
    remedy = _remedy(case)
    if count:
        return Explanation(
            Cause(
                "restated",
                "how",
                count / wrong,
                1.0,
                f"{share_text(count, wrong)} of the wrong online values equal an earlier version of the offline row with "
                f"the same event timestamp; offline was corrected later",
                {"equal_to_earlier_version": count / wrong, "entities": count},
                remedy,
            ),
            proven,
        )
    if not case.view.keeps_newer:
        return None
    if any(_gives_most(case, earlier.values) for earlier in case.ask_earlier()):
        return None  # definition_not_landed has the proof
    changed = [version.source_name for version in case.context.changed]
    if changed:
        possibility = f"; the source was {changed[-1]} before and may have been replaced"
    elif case.view.source_changed:
        possibility = f"; {case.view.source_changed}"
    else:
        name = case.view.version.source_name if case.view.version else "the source"
        possibility = f"; the source ({name}) may have been rewritten or replaced since"
    return Explanation(
        Cause(
            "restated",
            "how",
            1.0,
            POSSIBLE if changed or case.view.source_changed else POSSIBLE / 2,
            f"the wrong rows have the same event timestamp in both stores, and this store never overwrites a row with one "
            f"that is not newer, so a correction offline would not have landed{possibility}",
            {
                "equal_to_earlier_version": None,
                "source_changed": case.view.source_changed or None,
                "earlier_sources": changed,
            },
            remedy,
        ),
        suspects,
    )


def _gives_most(case: Case, values: pa.Array) -> bool:
    positions = np.flatnonzero(case.pairs.wrong)
    same = case.online_equals(values.take(pa.array(positions)), positions)
    return bool(same.mean() >= _EXPLAINED_BY_HISTORY)


def _remedy(case: Case) -> str:
    if case.view.keeps_newer:
        return (
            f"write the rows again: set `skip_dedup: true` in online_store, materialize view {case.view.name} over "
            f"the same range, take it out again; nothing is missing meanwhile"
        )
    return f"materialize view {case.view.name} over the same range again"
