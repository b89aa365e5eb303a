"""A column of one store over the entities, with null told from absent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """One column over the entities, in a fixed order: values, where one is there, where a row is.

    ``valid`` is False where the value is null or the row absent, ``present`` where no row is there.
    """

    values: NDArray[Any]
    valid: Mask
    present: Mask

    @classmethod
    def of(cls, values: Any, valid: Mask | None = None, present: Mask | None = None) -> Side:
        """Build a side; by default every row is present, and None and NaN are null.

        Parameters
        ----------
        values : array or list
            One value per entity.
        valid, present : array of bool, optional
            False where the value is null, and where no row is there.

        Returns
        -------
        Side
            With ``valid`` only where ``present``.

        Raises
        ------
        ValueError
            If the lengths differ.
        """
        column = _column(values)
        there = np.ones(column.shape, bool) if present is None else np.asarray(present, bool)
        filled = _not_null(column) if valid is None else np.asarray(valid, bool)
        if not column.shape == there.shape == filled.shape:
            raise ValueError("values, valid and present must be equally long")
        return cls(column, there & filled, there)


def state(side: Side, numeric: bool) -> NDArray[np.int8]:
    """Give per entity 0 for a value, 1 for null or no row, 2 for a number that is not finite."""
    found = np.where(side.valid, 0, 1).astype(np.int8)
    if numeric:
        found[side.valid & ~np.isfinite(_floats(side))] = 2
    return found


def numbers(side: Side, rows: Mask) -> NDArray[np.float64]:
    """Give the numbers of some entities, NaN where none is there or it is not finite."""
    numbers = np.where(side.valid, _floats(side), np.nan)[rows]
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _floats(side: Side) -> NDArray[np.float64]:
    if side.values.dtype != object:
        return side.values.astype(np.float64)
    cells = [float(v) if ok else np.nan for v, ok in zip(side.values, side.valid, strict=True)]
    return np.asarray(cells, dtype=np.float64)


def _column(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    cells = list(values)
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in cells):
        return np.asarray(cells, dtype=np.float64)
    column = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        column[i] = cell
    return column


def _not_null(column: NDArray[Any]) -> Mask:
    if column.dtype == object:
        null = [v is None or (isinstance(v, float) and math.isnan(v)) for v in column]
        return np.asarray(~np.asarray(null, bool), dtype=np.bool_)
    if column.dtype.kind == "f":
        return np.asarray(~np.isnan(column), dtype=np.bool_)
    return np.ones(column.shape, bool)
