"""Which category of one side stands for which of the other, when that is a function and no chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feast_skew.core.arrays import Mask, Positions
from feast_skew.diagnosis.base import FEWEST_ROWS
from feast_skew.diagnosis.chance import LEAST_EVIDENCE, surprise

_PURE = 0.8
_LEAST_PART = 0.3
_FEWEST_REPEATS = 2
_HELD_OUT = 0.8
_COVERED = 0.5
_FOLDS = 5
_TIMES_CHANCE = 1.5
_EVIDENCE = 2 * LEAST_EVIDENCE
_WHOLE = 0.98
_NEARLY_ALL = 0.95
_ALIKE = 0.6
_TOGETHER = 0.8
_SEED = 0

FEWEST_ENTRIES = 3
"""Fewer numbers that become others fit every formula."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """A column of values without nulls as codes, with the labels behind them."""

    codes: Numbers
    labels: pa.Array

    @classmethod
    def of(cls, column: pa.Array) -> Coded:
        """Give a number to each distinct value."""
        coded = column.dictionary_encode()
        return cls(np.asarray(coded.indices, dtype=np.int64), coded.dictionary)

    @property
    def size(self) -> int:
        """How many labels there are."""
        return len(self.labels)


@dataclass(frozen=True)
class Renaming:
    """Pairs of an offline and an online category, by their codes, the most frequent first; `hits` marks the rows that follow it."""

    offline: Numbers
    online: Numbers
    counts: Numbers
    hits: Mask


def find_renaming(off: Coded, on: Coded, all_off: Coded, all_on: Coded) -> Renaming | None:
    """Give the renaming that different values follow, None when they follow none that chance does not give.

    `off` and `on` are the values that differ, row by row; `all_off` and `all_on` all values that were compared, these among them. An
    entry is a pair of which the online category hardly ever stands for another one, and that many rows of the offline category
    have. There are three proofs, each at odds that chance does not reach: rows of one offline category agree more often than their
    most frequent online value alone makes them, on rows that were held out too; categories are renamed wherever they occur, and
    others nowhere; nearly all rows of a feature with two values have the other one.
    """
    found = _pairs(off, on)
    if np.count_nonzero(found.hits) < FEWEST_ROWS:
        return None
    if _agree(found, off, on) or _wholly(found, off, all_off) or _inverted(off, all_off, all_on):
        return found
    return None


def _pairs(off: Coded, on: Coded, rows: Positions | None = None) -> Renaming:
    a, b = (off.codes, on.codes) if rows is None else (off.codes[rows], on.codes[rows])
    flat, counts = np.unique(a * on.size + b, return_counts=True)
    offline, online = flat // on.size, flat % on.size
    from_offline, from_online = np.bincount(a, minlength=off.size), np.bincount(b, minlength=on.size)
    pure = counts >= _PURE * from_online[online]
    kept = pure & (counts >= _LEAST_PART * from_offline[offline]) & (counts >= _FEWEST_REPEATS)
    order = np.flatnonzero(kept)[np.argsort(-counts[kept], kind="stable")]
    # Of an offline category its most frequent name.
    order = order[np.sort(np.unique(offline[order], return_index=True)[1])]
    target = np.full(off.size, -1, dtype=np.int64)
    target[offline[order]] = online[order]
    return Renaming(offline[order], online[order], counts[order], target[off.codes] == on.codes)


def _agree(found: Renaming, off: Coded, on: Coded) -> bool:
    """Tell whether rows of one offline category agree more than values drawn from what is online would.

    Such values differ from offline's: what is online is weighed without the category itself.
    """
    rows = len(off.codes)
    weight = np.bincount(on.codes, minlength=on.size) / rows
    itself = _codes_in(off.labels, on.labels)
    left = 1.0 - np.where(itself >= 0, weight[itself], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.minimum(1.0, weight[found.online] / left[found.offline])
    in_rows = np.bincount(off.codes, minlength=off.size)
    expected = float(np.sum(in_rows[found.offline] * np.nan_to_num(chance, nan=1.0))) / rows
    # The first row of each entry chose it, and proves nothing.
    chosen = len(found.offline)
    share = float(np.count_nonzero(found.hits) - chosen) / max(1, rows - chosen)
    if share < _TIMES_CHANCE * expected or (rows - chosen) * surprise(share, expected) < _EVIDENCE:
        return False
    fold = np.random.default_rng(_SEED).permutation(rows) % _FOLDS
    covered = hit = 0
    for one in range(_FOLDS):
        fitted, held_out = _pairs(off, on, np.flatnonzero(fold != one)), fold == one
        covered += np.count_nonzero(held_out & np.isin(off.codes, fitted.offline))
        hit += np.count_nonzero(held_out & fitted.hits)
    return covered >= _COVERED * rows * share and hit >= _HELD_OUT * share * covered


def _wholly(found: Renaming, off: Coded, all_off: Coded) -> bool:
    """Tell whether the renamed categories are renamed wherever they occur, and others do not differ."""
    if not len(found.offline) or np.mean(found.hits) < _NEARLY_ALL:
        return False
    renamed = _codes_in(off.labels, all_off.labels)[found.offline]
    occur = np.isin(all_off.codes, renamed)
    share = np.count_nonzero(occur) / len(occur)
    hits = np.count_nonzero(found.hits)
    return bool(hits >= _WHOLE * np.count_nonzero(occur) and share < 1 and -hits * math.log(share) >= _EVIDENCE)


def _inverted(off: Coded, all_off: Coded, all_on: Coded) -> bool:
    """Tell whether there are two values, and nearly all rows have the other one."""
    labels = set(all_off.labels.to_pylist()[:3]) | set(all_on.labels.to_pylist()[:3])
    if len(labels) != 2 or off.size != 2 or len(off.codes) < _NEARLY_ALL * len(all_off.codes):
        return False
    return bool(np.bincount(off.codes, minlength=2).min() >= FEWEST_ROWS)


def _codes_in(labels: pa.Array, others: pa.Array) -> Numbers:
    """Give the code that each label has among other ones, -1 for none."""
    return np.asarray(pc.fill_null(pc.index_in(labels, others.cast(labels.type)), -1), dtype=np.int64)


def is_formula(offline: np.ndarray, online: np.ndarray) -> bool:
    """Tell whether a renaming of numbers is what formulas give: a rising function, a straight line, one constant for many of them.

    Not when it brings the numbers into another order among themselves, unless as their negatives.
    """
    order = np.argsort(offline)
    x, y = offline[order].astype(np.float64), online[order].astype(np.float64)
    if np.array_equal(np.sort(x), np.sort(y)):
        return bool(np.array_equal(x, -y))
    if len(x) < FEWEST_ENTRIES or bool(np.all(np.diff(y) > 0)):
        return True
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    if np.allclose(y, y[0] + slope * (x - x[0])):
        return True
    with np.errstate(divide="ignore", invalid="ignore"):
        constants = (y - x, np.where(x == 0, np.nan, y / x))
    alike = [np.unique(one[np.isfinite(one)], return_counts=True)[1].max(initial=0) / len(x) for one in constants]
    return max(alike) >= _ALIKE or sum(alike) >= _TOGETHER
