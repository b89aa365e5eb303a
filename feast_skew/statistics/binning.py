"""Bins that both sides share, cut from the offline side and addressed by stable ids."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class NumericBins:
    """Intervals ``(edge, next edge]``, then point bins for heavy values, then one bin for nulls.

    ``edges`` are the inner edges in rising order: n edges make n + 1 intervals, the outer two open to
    infinity. ``atoms`` are the heavy values. Ids count intervals, atoms and null in that order.
    """

    edges: tuple[float, ...]
    atoms: tuple[float, ...]
    rtol: float = 0.0
    atol: float = 0.0

    @property
    def null_id(self) -> int:
        """Id of the bin for nulls, the last one."""
        return len(self.edges) + 1 + len(self.atoms)

    @property
    def size(self) -> int:
        """Number of bins, the one for nulls included."""
        return self.null_id + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """One text per id for reports, such as ``(1.5, 3]``, ``= 0`` and ``null``."""
        # As many digits as it takes to tell neighbours apart: ids and other whole numbers need all of theirs.
        written = ([f"{edge:.{digits}g}" for edge in self.edges] for digits in (6, 9, 12, 17))
        ends = next((texts for texts in written if len(set(texts)) == len(texts)), [repr(edge) for edge in self.edges])
        if not ends:
            spans = ["other" if self.atoms else "all"]
        else:
            inner = [f"({a}, {b}]" for a, b in pairwise(ends)]
            spans = [f"<= {ends[0]}", *inner, f"> {ends[-1]}"]
        return (*spans, *(f"= {atom:.6g}" for atom in self.atoms), "null")

    def assign(self, values: NDArray[Any] | Sequence[float], valid: Mask | None = None) -> Ids:
        """Give the bin id of every value.

        Parameters
        ----------
        values : array of numbers
            Anything, also outside of the range seen offline and infinite.
        valid : array of bool, optional
            False where the value is null. NaN counts as null as well.

        Returns
        -------
        array of int
            Ids from 0 to ``size - 1``, one per value; empty for no values.
        """
        given = np.asarray(values, dtype=np.float64).ravel()
        # With so few edges, counting those below each value takes a fifth of the time of a binary search.
        ids = np.zeros(given.size, dtype=np.intp)
        for edge in self.edges:
            ids += given > edge
        first = len(self.edges) + 1
        for position, atom in enumerate(self.atoms):
            room = self.atol + self.rtol * abs(atom)
            ids[(given >= atom - room) & (given <= atom + room)] = first + position
        null = np.isnan(given)
        if valid is not None:
            null |= ~np.asarray(valid, dtype=np.bool_)
        return np.where(null, self.null_id, ids).astype(np.intp)


def numeric_bins(
    offline: NDArray[Any] | Sequence[float],
    wanted: int = 10,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-12,
) -> NumericBins:
    """Cut bins from the offline values: heavy values get a bin each, quantiles cut the rest.

    Parameters
    ----------
    offline : array of float
        Finite values that are not null, in the unit of the feature; may be empty.
    wanted : int
        Number of bins aimed at, 1 or more. A value that is repeated and holds more than 1 / ``wanted``
        of the rows is heavy. Fewer bins come out where values repeat.
    rtol, atol : float
        A value this close to a heavy one belongs to its bin, as the comparison of the feature
        tolerates: noise in the last digits must not empty a bin.

    Returns
    -------
    NumericBins
        With a single interval for an empty or a constant column (besides the constant's own bin).

    Raises
    ------
    ValueError
        If a value is not finite or ``wanted`` is below 1.

    Notes
    -----
    Edges lie halfway between neighbouring values, so that no value sits on one. Point masses as
    in the Facets quantiles of TFDV; equal frequency bins otherwise.
    """
    if wanted < 1:
        raise ValueError(f"wanted must be 1 or more, not {wanted}")
    given = np.asarray(offline, dtype=np.float64).ravel()
    if not bool(np.all(np.isfinite(given))):
        raise ValueError("bins are cut from finite values only")
    if given.size == 0:
        return NumericBins((), (), rtol, atol)
    values, counts = np.unique(given, return_counts=True)
    heavy = (counts * wanted > given.size) & ((counts > 1) | (given.size == 1))
    rest, weights = values[~heavy], counts[~heavy]
    parts = max(1, wanted - int(heavy.sum()))
    edges: list[float] = []
    if rest.size > 1:
        reached = np.cumsum(weights)
        targets = np.arange(1, parts) * (float(reached[-1]) / parts)
        cuts = np.unique(np.searchsorted(reached, targets))
        cuts = cuts[cuts < rest.size - 1]
        halfway = rest[cuts] / 2 + rest[cuts + 1] / 2
        edges = [float(v) for v in np.unique(np.maximum(halfway, rest[cuts]))]
    return NumericBins(tuple(edges), tuple(float(v) for v in values[heavy]), rtol, atol)


@dataclass(frozen=True)
class CategoryBins:
    """The most frequent offline categories, then ``other``, ``unseen`` and ``null``, as ids.

    ``other`` are categories that offline knows but that are rarer, ``unseen`` those that offline does
    not have at all.
    """

    categories: tuple[Hashable, ...]
    known: frozenset[Hashable] = field(repr=False)

    @property
    def other_id(self) -> int:
        """Id of the bin for the rarer offline categories."""
        return len(self.categories)

    @property
    def unseen_id(self) -> int:
        """Id of the bin for categories that offline does not have."""
        return len(self.categories) + 1

    @property
    def null_id(self) -> int:
        """Id of the bin for nulls, the last one."""
        return len(self.categories) + 2

    @property
    def size(self) -> int:
        """Number of bins: the categories and three more."""
        return len(self.categories) + 3

    @property
    def labels(self) -> tuple[str, ...]:
        """One text per id for reports."""
        return (*(f"= {name}" for name in self.categories), "other", "unseen", "null")

    def assign(self, values: Iterable[Any], valid: Mask | None = None) -> Ids:
        """Give the bin id of every value.

        Parameters
        ----------
        values : iterable
            Categories; lists and arrays count by their content.
        valid : array of bool, optional
            False where the value is null. None counts as null as well.

        Returns
        -------
        array of int
            Ids from 0 to ``size - 1``, one per value; empty for no values.
        """
        index = {name: i for i, name in enumerate(self.categories)}
        ids: list[int] = []
        for value in values:
            name = _name(value)
            if name is None:
                ids.append(self.null_id)
            else:
                ids.append(index.get(name, self.other_id if name in self.known else self.unseen_id))
        found = np.asarray(ids, dtype=np.intp)
        if valid is not None:
            found = np.where(np.asarray(valid, dtype=np.bool_), found, self.null_id)
        return found


def category_bins(offline: Iterable[Any], wanted: int = 20) -> CategoryBins:
    """Take the most frequent offline categories as bins.

    Parameters
    ----------
    offline : iterable
        Categories, with None for null; may be empty. Lists and arrays count by their content.
    wanted : int
        Number of categories with a bin of their own, 1 or more. Equally frequent ones are taken
        in the order of their text, so that the order of rows does not matter.

    Returns
    -------
    CategoryBins
        With no category at all for an empty column.

    Raises
    ------
    ValueError
        If ``wanted`` is below 1.
    """
    return counted_bins(Counter(name for name in map(_name, offline) if name is not None), wanted)


def counted_bins(counts: Mapping[Hashable, int], wanted: int = 20) -> CategoryBins:
    """Take the most frequent of counted offline categories as bins, as `category_bins` does.

    Raises
    ------
    ValueError
        If ``wanted`` is below 1.
    """
    if wanted < 1:
        raise ValueError(f"wanted must be 1 or more, not {wanted}")
    ranked = sorted(counts, key=lambda name: (-counts[name], str(name), repr(name)))
    return CategoryBins(tuple(ranked[:wanted]), frozenset(counts))


def _name(value: Any) -> Hashable:
    """Give something hashable with the value's content, None for null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (list, tuple)):
        return tuple(_name(part) for part in value)
    if isinstance(value, (set, frozenset)):
        return frozenset(_name(part) for part in value)
    if isinstance(value, dict):
        return frozenset((_name(key), _name(part)) for key, part in value.items())
    return value if isinstance(value, Hashable) else repr(value)
