"""Codes for the values of one key column: small whole numbers by which rows of any table find them again."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import distinct

_DENSE = 8
"""Whole numbers are found in a table of their range while that holds at most so many places per value."""


class Codes(Protocol):
    """The distinct values of a column, numbered from 0; `size` is above every code."""

    @property
    def size(self) -> int:
        """A number above every code."""

    def find(self, column: pa.Array) -> np.ndarray:
        """Give the code of each value of a column of the same type, -1 for null and for values that have none."""


def codes_of(column: pa.Array) -> Codes:
    """Give a number to each distinct value of a column."""
    numbers = _whole_numbers(column)
    if numbers is None:
        return _Dictionary(column)
    known = numbers if not column.null_count else numbers[np.asarray(column.is_valid())]
    if not len(known):
        return _Dictionary(column)
    low, high = int(known.min()), int(known.max())
    if high - low < _DENSE * len(known):
        return _Range(low, high)
    return _Sorted(distinct(known))


def place(known: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Give the place of each number among the sorted known ones, -1 where it is none of them."""
    if not len(known):
        return np.full(len(numbers), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[found] == numbers, found, -1)


def _whole_numbers(column: pa.Array) -> np.ndarray | None:
    """Give whole numbers and instants as int64, 0 for null; None for values of other types."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
        return None
    if column.null_count:
        column = pc.fill_null(column, 0)
    return np.asarray(column).astype(np.int64, copy=False)


class _Range:
    """Whole numbers that lie close together: each is its own code."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.size = high - low + 1

    def find(self, column: pa.Array) -> np.ndarray:
        """Count off from the least one."""
        numbers = _whole_numbers(column)
        assert numbers is not None  # noqa: S101  columns of one type
        inside = (numbers >= self._low) & (numbers <= self._high)
        if column.null_count:
            inside &= np.asarray(column.is_valid())
        if inside.all():
            return numbers - self._low
        return np.where(inside, np.where(inside, numbers, self._low) - self._low, -1)


class _Sorted:
    """Whole numbers that lie far apart, in rising order."""

    def __init__(self, known: np.ndarray) -> None:
        self._known = known
        self.size = len(known)

    def find(self, column: pa.Array) -> np.ndarray:
        """Search for each."""
        numbers = _whole_numbers(column)
        assert numbers is not None  # noqa: S101  columns of one type
        found = place(self._known, numbers)
        return found if not column.null_count else np.where(np.asarray(column.is_valid()), found, -1)


class _Dictionary:
    """Values of any type, in the order of their first appearance."""

    def __init__(self, column: pa.Array) -> None:
        self._values = column.dictionary_encode().dictionary
        self.size = len(self._values)

    def find(self, column: pa.Array) -> np.ndarray:
        """Look each up; Arrow hashes all known values anew at every call."""
        return np.asarray(
            pc.fill_null(pc.index_in(column, value_set=self._values, skip_nulls=True), -1), dtype=np.int64
        )
