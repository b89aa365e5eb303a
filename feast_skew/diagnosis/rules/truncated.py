"""`truncated`: offline's string, bytes or list, cut at one length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import equal
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.diagnosis.chance import beats_chance
from feast_skew.report import Cause

_LEAST_SHARE = 0.05
_ONE_LENGTH = 0.9
_LOOKED_AT = 1_000
_GLANCED_AT = 200
_LENGTHS_TRIED = 3
_LONGEST_CHARACTER = 4
_KINDS = (Kind.STRING, Kind.BYTES, Kind.LIST)


@dataclass(frozen=True)
class Cut:
    """A length at which values are cut, in `characters`, in `bytes` (of UTF-8 where the values are text) or in `elements`."""

    length: int
    unit: str

    def fits(self, case: Case, off: pa.Array, on: pa.Array) -> Mask:
        """Tell for each pair whether online is offline cut at that length, and offline is longer."""
        found: Mask = _longer(off, on) & equal(self._cut(off), on, case.feature.tolerance)
        return found

    def _cut(self, column: pa.Array) -> pa.Array:
        if self.unit == "elements":
            return pc.list_slice(column, 0, self.length).cast(column.type)
        if self.unit == "characters":
            return pc.utf8_slice_codeunits(column, 0, self.length)
        if pa.types.is_binary(column.type):
            return pc.binary_slice(column, 0, self.length)
        # A character that the cut splits is gone.
        cut = (None if text is None else text[: self.length] for text in column.cast(pa.binary()).to_pylist())
        return pa.array([None if text is None else text.decode("utf-8", "ignore") for text in cut], column.type)


def _size(column: pa.Array) -> np.ndarray:
    if pa.types.is_list(column.type):
        length = pc.list_value_length(column)
    elif pa.types.is_string(column.type):
        length = pc.utf8_length(column)
    else:
        length = pc.binary_length(column)
    return np.asarray(pc.fill_null(length, -1), dtype=np.int64)


def _longer(off: pa.Array, on: pa.Array) -> Mask:
    size = _size(on)
    found: Mask = (size >= 0) & (size < _size(off))
    return found


def shortened(case: Case) -> tuple[Cut, Positions] | None:
    """Give the length at which online values are cut, and the positions of those that it explains; None without one."""
    if case.feature.declared.kind not in _KINDS or not case.wrong.any():
        return None
    positions = np.flatnonzero(case.wrong)
    off, on = (side.take(pa.array(positions)) for side in (case.pairs.offline, case.pairs.online))
    kept = np.flatnonzero(_longer(off, on)) if off.type == on.type else positions[:0]
    if len(kept) < FEWEST_ROWS:
        return None
    positions = positions[kept]
    off, on = off.take(pa.array(kept)), on.take(pa.array(kept))
    best = max(_candidates(off, on), key=lambda cut: np.count_nonzero(cut.fits(case, off, on)), default=None)
    if best is None:
        return None
    fits = best.fits(case, off, on)
    enough = np.count_nonzero(fits) >= FEWEST_ROWS and case.total(positions[fits]) >= _LEAST_SHARE * case.total(
        case.wrong
    )
    return (best, positions[fits]) if enough and _proven(case, best, fits, off, on) else None


def _proven(case: Case, cut: Cut, fits: Mask, off: pa.Array, on: pa.Array) -> bool:
    mine = pa.array(np.flatnonzero(fits))
    if _varied(off.take(mine)) < FEWEST_VALUES or _varied(on.take(mine)) <= 1:
        return False
    # Values that lose their end at any length, by a suffix that is gone or a pattern, are no truncation.
    rest = np.flatnonzero(~fits)
    some = pa.array(rest[:_LOOKED_AT])
    others = np.count_nonzero(_is_prefix(off.take(some), on.take(some))) * len(rest) / max(1, len(some))
    if np.count_nonzero(fits) < _ONE_LENGTH * (np.count_nonzero(fits) + others):
        return False
    return beats_chance(fits, cut.fits(case, pa.concat_arrays([off.slice(1), off.slice(0, 1)]), on))


def _candidates(off: pa.Array, on: pa.Array) -> list[Cut]:
    """Give the lengths that are worth a try: the most frequent ones of the shorter values; none where no value is a prefix."""
    some = pa.array(np.linspace(0, len(on) - 1, min(len(on), _GLANCED_AT)).astype(np.int64))
    if len(on) >= _GLANCED_AT and not _is_prefix(off.take(some), on.take(some)).any():
        return []
    unit = "elements" if pa.types.is_list(on.type) else "characters" if pa.types.is_string(on.type) else "bytes"
    found = [Cut(length, unit) for length in _frequent(_size(on))]
    if unit != "characters":
        return found
    some = pa.array(np.flatnonzero(_is_prefix(off.slice(0, _LOOKED_AT), on.slice(0, _LOOKED_AT))))
    size = _size(on.take(some).cast(pa.binary()))
    if not len(size) or np.array_equal(size, _size(on.take(some))):
        return found  # each character is one byte
    return [*found, *(Cut(length, "bytes") for length in {*_frequent(size), int(size.max())})]


def _frequent(sizes: np.ndarray) -> list[int]:
    values, counts = np.unique(sizes, return_counts=True)
    return [int(value) for value in values[np.argsort(-counts, kind="stable")][:_LENGTHS_TRIED]]


def _is_prefix(off: pa.Array, on: pa.Array) -> Mask:
    pairs = zip(off.to_pylist(), on.to_pylist(), strict=True)
    return np.array([a[: len(b)] == b for a, b in pairs], dtype=bool)


def _varied(column: pa.Array) -> int:
    if not pa.types.is_list(column.type):
        return len(column.unique())
    return len({str(value) for value in column.slice(0, _LOOKED_AT).to_pylist()})


def _covers(case: Case, cause: Cause) -> Mask:
    covered = np.zeros(len(case.wrong), dtype=bool)
    positions = np.flatnonzero(case.wrong)
    off, on = (side.take(pa.array(positions)) for side in (case.pairs.offline, case.pairs.online))
    if off.type == on.type:
        cut = Cut(int(cause.evidence["length"]), str(cause.evidence["unit"]))
        covered[positions[cut.fits(case, off, on)]] = True
    return covered


@rule("truncated", kind="what", covers=_covers)
def truncated(case: Case) -> Explanation | None:
    """Claim wrong values that are the beginning of offline's, all of one length.

    The length of text is in characters, or in bytes of UTF-8 when that explains more.
    """
    found = case.once(shortened)
    if found is None:
        return None
    cut, positions = found
    explained = case.marked(positions)
    count, wrong = case.total(explained), case.total(case.wrong)
    of_text = " of UTF-8" if cut.unit == "bytes" and case.feature.declared.kind is Kind.STRING else ""
    return Explanation(
        Cause(
            "truncated",
            "what",
            count / wrong,
            0.99,
            f"online holds the first {cut.length:,} {cut.unit}{of_text} of offline's value for {share_text(count, wrong)} of "
            f"the wrong values",
            {"length": cut.length, "unit": cut.unit, "entities": count},
            "find the column or buffer with that length limit on the way to the online store, widen it, and materialize again",
        ),
        explained,
    )
