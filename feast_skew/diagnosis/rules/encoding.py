"""`encoding`: the same category in another spelling or code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.pairs import COMPARED, PairClass
from feast_skew.core.plain import plain
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.diagnosis.categories import Coded, find_renaming, is_formula
from feast_skew.diagnosis.chance import beats_chance
from feast_skew.diagnosis.rules.truncated import shortened
from feast_skew.diagnosis.spelling import Spelling, find_spelling, spelling
from feast_skew.report import Cause

_LEAST_SHARE = 0.05
_MOST_SHOWN = 20
_MOST_CODES = 100
_LOOKED_AT = 1_000
_ROWS_PER_CATEGORY = 4
_NEARLY_ALL = 0.8
_FAR_MORE = 1.25
_TEXTS = (Kind.STRING, Kind.UUID)
_CATEGORIES = (Kind.STRING, Kind.UUID, Kind.BYTES, Kind.BOOLEAN, Kind.INTEGER)


@dataclass(frozen=True)
class _Values:
    """The pairs of two different values, none of them null, that may be the same category."""

    positions: Positions
    off: pa.Array
    on: pa.Array

    def some(self, chosen: Mask) -> _Values:
        return _Values(self.positions[chosen], self.off.filter(pa.array(chosen)), self.on.filter(pa.array(chosen)))


def _different(case: Case, among: Mask) -> _Values:
    positions = np.flatnonzero(among)
    off, on = (side.take(pa.array(positions)) for side in (case.pairs.offline, case.pairs.online))
    found = _Values(positions, off, on)
    if off.type != on.type:
        return found.some(np.zeros(len(positions), dtype=bool))
    return found.some(np.asarray(pc.fill_null(pc.not_equal(off, on), False)))


def _covers(case: Case, cause: Cause) -> Mask | None:
    values = _different(case, case.wrong)
    covered = np.zeros(len(case.wrong), dtype=bool)
    evidence = cause.evidence
    if evidence["spelling"] is not None:
        told = spelling(evidence["spelling"], evidence["side"], evidence["text"])
        covered[values.positions[_fits(told, values)]] = True
        return covered
    if evidence["categories"] > len(evidence["mapping"]):
        return None
    known = {(a, b) for a, b in evidence["mapping"]}
    codes = _coded_pairs(values)
    hits = [(plain(a), plain(b)) in known for a, b in codes[1]]
    covered[values.positions[np.array(hits, dtype=bool)[codes[0]]]] = True
    return covered


@rule("encoding", kind="what", parameters=1, covers=_covers)
def encoding(case: Case) -> Explanation | None:
    """Claim wrong values that stand for offline's category: a named way to spell it, or another name or code for it."""
    kind = case.feature.declared.kind
    if kind not in _CATEGORIES or np.count_nonzero(case.wrong) < FEWEST_ROWS:
        return None
    among = case.wrong.copy()
    cut = case.once(shortened)
    if cut is not None:
        among[cut[1]] = False
    values = _different(case, among)
    if len(values.positions) < FEWEST_ROWS or _one_value(case):
        return None
    spelled = _spelled(case, values) if kind in _TEXTS else None
    if spelled is not None and np.count_nonzero(spelled.explained) >= _NEARLY_ALL * len(values.positions):
        return spelled
    # A spelling that some names happen to have says less than the names of all categories do.
    renamed = _renamed(case, values)
    if spelled is None or (renamed is not None and renamed.cause.share > _FAR_MORE * spelled.cause.share):
        return renamed
    return spelled


def _one_value(case: Case) -> bool:
    """Tell whether all have one and the same value online: that is a code for nothing."""
    compared = pa.array(case.pairs.mask(PairClass.MATCH, PairClass.MISMATCH))
    return len(pc.unique(case.pairs.online.filter(compared))) == 1


def _coded_pairs(values: _Values) -> tuple[np.ndarray, list[tuple[Any, Any]]]:
    """Give the distinct pairs, and the place of each row's among them."""
    off, on = Coded.of(values.off), Coded.of(values.on)
    flat, place = np.unique(off.codes * max(1, on.size) + on.codes, return_inverse=True)
    a = off.labels.take(pa.array(flat // max(1, on.size))).to_pylist()
    b = on.labels.take(pa.array(flat % max(1, on.size))).to_pylist()
    return place.reshape(-1), list(zip(a, b, strict=True))


def _fits(told: Spelling, values: _Values) -> Mask:
    place, pairs = _coded_pairs(values)
    found: Mask = np.array([told.fits(a, b) for a, b in pairs], dtype=bool)[place]
    return found


def _spelled(case: Case, values: _Values) -> Explanation | None:
    rows = len(values.positions)
    some = pa.array(np.linspace(0, rows - 1, min(rows, _LOOKED_AT)).astype(np.int64))
    told = find_spelling(list(zip(values.off.take(some).to_pylist(), values.on.take(some).to_pylist(), strict=True)))
    if told is None:
        return None
    hits = _fits(told, values)
    if not _enough(case, values.positions[hits]):
        return None
    # By chance a spelling gives a category that there is; one that offline does not have comes from nowhere else.
    there = np.asarray(pc.is_in(values.on, case.pairs.offline.cast(values.on.type)))
    other = _Values(values.positions, pa.concat_arrays([values.off.slice(1), values.off.slice(0, 1)]), values.on)
    if not beats_chance(hits, _fits(told, other) & there):
        return None
    shown = f"{told.name} {told.text!r}" if told.text else told.name
    how = f"alike but for {shown}" if told.side == "both" else f"{told.side} has it as: {shown}"
    return _explanation(
        case,
        values,
        hits,
        f"the same text in another spelling ({how})",
        {"spelling": told.name, "side": told.side, "text": told.text},
        0.99,
        1,
    )


def _renamed(case: Case, values: _Values) -> Explanation | None:
    off, on = Coded.of(values.off), Coded.of(values.on)
    if case.feature.declared.kind is Kind.INTEGER and min(off.size, on.size) > _MOST_CODES:
        return None
    if len(values.positions) < _ROWS_PER_CATEGORY * min(off.size, on.size):
        return None
    compared = np.flatnonzero(case.wrong | case.pairs.mask(*COMPARED))
    both = [side.take(pa.array(compared)) for side in (case.pairs.offline, case.pairs.online)]
    known = pc.and_(both[0].is_valid(), both[1].is_valid())
    found = find_renaming(off, on, *(Coded.of(side.filter(known)) for side in both))
    if found is None or not _enough(case, values.positions[found.hits]):
        return None
    if case.feature.declared.kind is Kind.INTEGER and is_formula(
        np.asarray(off.labels)[found.offline], np.asarray(on.labels)[found.online]
    ):
        return None
    evidence = {"spelling": None, "side": None, "text": None}
    said = f"another name or code for the same category ({len(found.offline):,} {'category' if len(found.offline) == 1 else 'categories'})"
    return _explanation(case, values, found.hits, said, evidence, 0.95, 2)


def _enough(case: Case, positions: Positions) -> bool:
    return len(positions) >= FEWEST_ROWS and case.total(positions) >= _LEAST_SHARE * case.total(case.wrong)


def _explanation(
    case: Case, values: _Values, hits: Mask, said: str, evidence: dict[str, Any], confidence: float, parameters: int
) -> Explanation:
    explained = case.marked(values.positions[hits])
    count, wrong = case.total(explained), case.total(case.wrong)
    place, pairs = _coded_pairs(values.some(hits))
    order = np.argsort(-np.bincount(place), kind="stable")[:_MOST_SHOWN]
    mapping = [[plain(side) for side in pairs[i]] for i in order]
    shown = ", ".join(f"{a!r} is {b!r}" for a, b in mapping[:3])
    return Explanation(
        Cause(
            "encoding",
            "what",
            count / wrong,
            confidence,
            f"{share_text(count, wrong)} of the wrong values are {said}: {shown} online",
            {"mapping": mapping, "categories": len(pairs), **evidence, "entities": count},
            "let both pipelines take the category from one table or function of codes, and write the other store again",
            parameters=parameters,
        ),
        explained,
    )
