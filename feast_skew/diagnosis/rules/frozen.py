"""`frozen`: online is from before offline was recomputed under an event timestamp that did not move."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, POSSIBLE, PROVEN, Case, Explanation, duration_text, rule, share_text
from feast_skew.diagnosis.rewriting import write_again
from feast_skew.report import Cause

_CONTRAST = 0.95
_EXPLAINED_BY_HISTORY = 0.5
_TIMES_OTHERS = 3.0


def _suspects(case: Case) -> Mask:
    return case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT)


def _covers(case: Case, cause: Cause) -> Mask | None:
    # When a row was created is not among what a row tells by itself.
    return None if cause.confidence > POSSIBLE else _suspects(case)


@rule("frozen", kind="how", covers=_covers)
def frozen(case: Case) -> Explanation | None:
    """Claim wrong pairs that were materialized right before, or whose offline row was created after the last materialization.

    Else name the possibility.

    The possibility is the pattern alone: the same timestamp, another value, and a store that keeps a row when the new one is
    not newer.
    """
    suspects = _suspects(case)
    if not suspects.any() or any(_gives_most(case, earlier.values) for earlier in case.ask_earlier()):
        return None  # definition_not_landed has the proof
    proven = _passed_over(case, suspects) or _proven(case, suspects)
    if proven is not None or (suspects & case.equal_to_earlier_version).any():  # `restated` has the proof
        return proven
    return _possible(case, suspects)


def _gives_most(case: Case, values: pa.Array) -> bool:
    positions = np.flatnonzero(case.pairs.wrong)
    same = case.online_equals(values.take(pa.array(positions)), positions)
    return bool(same.mean() >= _EXPLAINED_BY_HISTORY)


def _passed_over(case: Case, suspects: Mask) -> Explanation | None:
    """Claim wrong rows that the store was given a moment ago and did not take, as it had one of the same instant already.

    Where nobody had materialized the instant before, the row that is wrong is the one that was just written.
    """
    if case.view.written is None or not case.view.keeps_newer:
        return None
    aligned = case.rows.aligned
    ranges = [(start <= aligned) & (aligned <= end) for start, end in case.view.materializations]
    again = np.sum(ranges, axis=0, initial=0) > 1 if ranges else np.zeros(len(aligned), dtype=bool)
    start, end = case.view.written
    passed = suspects & again & (start <= aligned) & (aligned <= end) & ~case.equal_to_earlier_version
    count = case.total(passed)
    if not count:
        return None
    wrong = case.total(case.wrong)
    return Explanation(
        Cause(
            "frozen",
            "how",
            count / wrong,
            PROVEN,
            f"{share_text(count, wrong)} of the wrong values were materialized a moment ago and did not land: this store never "
            f"overwrites a row with one that is not newer, and their event timestamps are those that it had before",
            {"share": count / wrong, "entities": count, "materialized": "right before"},
            write_again(case.view),
        ),
        passed,
    )


def _proven(case: Case, suspects: Mask) -> Explanation | None:
    if not case.view.materializations:
        return None
    created = case.context.created_at(case.positions)
    done = _materialized_until(case)
    told = (created != NO_INSTANT) & (done != NO_INSTANT)
    after = told & (created > done)
    proven = suspects & after & ~case.equal_to_earlier_version
    count = case.total(proven)
    if not count:
        return None
    # A job that writes its rows late, and is materialized later still, creates right ones after the end of the range as well.
    right = told & case.pairs.mask(PairClass.MATCH, PairClass.NULL_BOTH)
    usual = case.total(right & after) / case.total(right) if right.any() else 0.0
    share_after = count / case.total(suspects & told)
    if share_after < _TIMES_OTHERS * usual:
        return None
    contrast = np.count_nonzero(right & ~after) >= FEWEST_ROWS
    wrong = case.total(suspects)
    behind = float(np.median((created - done)[proven]))
    return Explanation(
        Cause(
            "frozen",
            "how",
            count / wrong,
            _CONTRAST if contrast else PROVEN,
            f"{share_text(count, wrong)} of the wrong values belong to offline rows that were created after the last "
            f"materialization of their time range, {duration_text(behind)} after its end in the middle; their event timestamp "
            f"did not move, so online kept what it had",
            {"share": count / wrong, "entities": count, "created_after_seconds": behind / 1e9},
            write_again(case.view),
        ),
        proven,
    )


def _materialized_until(case: Case) -> Instants:
    """Give the end of the last materialization that covers each aligned row, `NO_INSTANT` where none does."""
    aligned = case.rows.aligned
    done = np.full(len(aligned), NO_INSTANT, dtype=np.int64)
    for start, end in case.view.materializations:
        inside = (aligned >= start) & (aligned <= end)
        done[inside] = np.maximum(done[inside], end)
    return done


def _possible(case: Case, suspects: Mask) -> Explanation | None:
    if not case.view.keeps_newer or not suspects.any():
        return None
    changed = [version.source_name for version in case.context.changed]
    if changed:
        possibility = f"; the source was {changed[-1]} before and may have been replaced"
    elif case.view.source_changed:
        possibility = f"; {case.view.source_changed}"
    else:
        name = case.view.version.source_name if case.view.version else "the source"
        possibility = f"; the source ({name}) may have been rewritten or replaced since"
    share = case.total(suspects) / case.total(case.wrong)
    return Explanation(
        Cause(
            "frozen",
            "how",
            share,
            POSSIBLE if changed or case.view.source_changed else POSSIBLE / 2,
            f"the wrong rows have the same event timestamp in both stores, and this store never overwrites a row with one "
            f"that is not newer, so what was recomputed or corrected offline would not have landed{possibility}",
            {
                "share": share,
                "source_changed": case.view.source_changed or None,
                "earlier_sources": changed,
            },
            write_again(case.view),
        ),
        suspects,
    )
