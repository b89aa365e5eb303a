"""`constant`: the same value online for everybody."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import EXACT, equal
from feast_skew.core.pairs import PairClass
from feast_skew.core.plain import plain, python_value
from feast_skew.diagnosis.base import FEWEST_APART, FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.report import Cause

_FIRST = 9
_TRIED = 100
_NEARLY_ALL = 0.98
_VARIED = 200
_LONGEST = 60


def _shown(value: pa.Scalar) -> object:
    return plain(python_value(value))


def value_text(shown: object) -> str:
    """Write a value for people, of a long one its beginning."""
    text = repr(shown)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _equals(values: pa.Array, value: pa.Scalar, case: Case) -> Mask:
    return equal(values, pa.repeat(value, len(values)), EXACT, case.feature.declared.kind)


def _rows(case: Case) -> tuple[Positions, Positions]:
    """Give the entities with a value offline and a row online, and those of them that are wrong and not null online."""
    wanted = case.pairs.mask(PairClass.MATCH, PairClass.MISMATCH, PairClass.NULL_ONLINE)
    wrong = case.mismatch
    if case.unaligned_failed:
        apart = case.rows.unaligned & np.asarray(case.pairs.offline.is_valid())
        wanted, wrong = wanted | apart, wrong | (apart & np.asarray(case.pairs.online.is_valid()))
    return np.flatnonzero(wanted), np.flatnonzero(wrong)


def one_value_online(case: Case) -> pa.Scalar | None:
    """Give the value that (nearly) all online rows hold while offline has others; None where there is no such value.

    Of the entities for which offline has something else, (nearly) all must have it, and of all entities too: where only a
    part of them is filled with one value, the rest still tell their own.
    """
    rows, wrong = _rows(case)
    if len(wrong) < (FEWEST_APART if case.unaligned_failed else FEWEST_ROWS):
        return None
    value = _commonest(case.pairs.online.take(pa.array(wrong[:_FIRST])))
    if value is None:
        return None
    take = pa.array(rows)
    offline = case.pairs.offline.take(take)
    held = _equals(case.pairs.online.take(take), value, case)
    other = ~_equals(offline, value, case)
    if case.total(rows[held]) < _NEARLY_ALL * case.total(rows):
        return None
    if case.total(rows[held & other]) < _NEARLY_ALL * case.total(rows[other]):
        return None
    varied = offline.filter(pa.array(other)).slice(0, _VARIED)
    distinct = len({repr(python_value(one)) for one in varied}) + (not other.all())
    return value if distinct > 1 else None


def _commonest(values: pa.Array) -> pa.Scalar | None:
    """Give the value that most of a few have, None where that is null or less than half of them have it."""
    texts = [repr(python_value(value)) for value in values]
    text, count = Counter(texts).most_common(1)[0]
    value = values[texts.index(text)]
    return value if value.is_valid and count > len(values) / 2 else None


def _covers(case: Case, cause: Cause) -> Mask:
    _, positions = _rows(case)
    covered = np.zeros(len(case.wrong), dtype=bool)
    # The cause has its value as plain JSON, so the value itself is taken from one of the first rows: nearly all have it.
    online = case.pairs.online.take(pa.array(positions))
    value = next((one for one in online.slice(0, _TRIED) if _shown(one) == cause.evidence["value"]), None)
    if value is not None:
        covered[positions[_equals(online, value, case)]] = True
    return covered


@rule("constant", kind="what", parameters=1, covers=_covers)
def constant(case: Case) -> Explanation | None:
    """Claim wrong pairs when (nearly) all online values are one and the same, right ones by chance included."""
    value = case.once(one_value_online)
    if value is None:
        return None
    rows, wrong = _rows(case)
    explained = case.marked(wrong[_equals(case.pairs.online.take(pa.array(wrong)), value, case)])
    held = rows[_equals(case.pairs.online.take(pa.array(rows)), value, case)]
    if case.unaligned_failed:
        explained[held] = case.rows.unaligned[held] | explained[held]
    count, whole = case.total(explained), case.total(case.wrong)
    shown = _shown(value)
    return Explanation(
        Cause(
            "constant",
            "what",
            count / whole,
            0.99,
            f"online is {value_text(shown)} for {share_text(case.total(held), case.total(rows))} of the entities that have a value "
            f"offline, where values differ from entity to entity",
            {"value": shown, "entities": count},
            "find the step that writes one value for everybody: a join that finds nothing, a default, a feature never computed",
            parameters=1,
        ),
        explained,
    )
