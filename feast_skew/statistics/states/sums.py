"""Exact sums of the values, their squares and their products: all that means, variances and correlations need."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from feast_skew.statistics.pairs import Floats, Mask, NumberPairs
from feast_skew.statistics.states.base import Bins, State, state
from feast_skew.statistics.states.exact_sums import exact_product_sum, exact_sum

_NOTHING = Fraction(0)


@state("sums")
@dataclass(frozen=True, eq=False)
class Sums(State):
    """Sums without rounding, in the unit of the feature and its square; only finite values count.

    `pairs` entities have a finite value on both sides, which differ, if only by rounding, for `differing` of them: `x` to `xy` are sums over
    the pairs, x offline and y online. The fields with `alone` are of the values whose other side is null or infinite.
    """

    categories = False

    pairs: int = 0
    differing: int = 0
    x: Fraction = _NOTHING
    y: Fraction = _NOTHING
    xx: Fraction = _NOTHING
    yy: Fraction = _NOTHING
    xy: Fraction = _NOTHING
    alone_offline: int = 0
    alone_x: Fraction = _NOTHING
    alone_xx: Fraction = _NOTHING
    alone_online: int = 0
    alone_y: Fraction = _NOTHING
    alone_yy: Fraction = _NOTHING

    @classmethod
    def of(cls, pairs: NumberPairs, bins: Bins) -> Sums:
        """Add up the pairs; those with identical values are added once for both sides."""
        del bins
        finite_off = pairs.known_offline & np.isfinite(pairs.offline)
        finite_on = pairs.known_online & np.isfinite(pairs.online)
        both = finite_off & finite_on
        off, off_rest = _chosen(pairs.offline, both), _chosen(pairs.offline_rest, both)
        on, on_rest = _chosen(pairs.online, both), _chosen(pairs.online_rest, both)
        assert off is not None and on is not None  # noqa: S101, PT018  for the type checker
        differ = off != on
        if off_rest is not None or on_rest is not None:
            differ |= (0.0 if off_rest is None else off_rest) != (0.0 if on_rest is None else on_rest)
        apart = (_chosen(off, differ), _chosen(off_rest, differ)), (_chosen(on, differ), _chosen(on_rest, differ))
        whole = (off, off_rest)
        x, xx = _sum(*whole), _product(whole, whole)
        if differ.all():
            y, yy, xy = _sum(*apart[1]), _product(apart[1], apart[1]), _product(*apart)
        else:
            square = _product(apart[0], apart[0])
            y = x + _sum(*apart[1]) - _sum(*apart[0])
            yy = xx + _product(apart[1], apart[1]) - square
            xy = xx + _product(*apart) - square
        single_off = _single(pairs.offline, pairs.offline_rest, finite_off & ~both)
        single_on = _single(pairs.online, pairs.online_rest, finite_on & ~both)
        return cls(int(off.size), int(np.count_nonzero(differ)), x, y, xx, yy, xy, *single_off, *single_on)

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


Column = tuple[Floats | None, Floats | None]


def _chosen(values: Floats | None, rows: Mask) -> Floats | None:
    if values is None or rows.all():
        return values
    return values[rows]


def _sum(values: Floats | None, rest: Floats | None) -> Fraction:
    return (exact_sum(values) if values is not None else _NOTHING) + (exact_sum(rest) if rest is not None else _NOTHING)


def _product(one: Column, other: Column) -> Fraction:
    return sum((exact_product_sum(a, b) for a in one if a is not None for b in other if b is not None), start=_NOTHING)


def _single(values: Floats, rest: Floats | None, rows: Mask) -> tuple[int, Fraction, Fraction]:
    count = int(np.count_nonzero(rows))
    if not count:
        return 0, _NOTHING, _NOTHING
    column = (values[rows], None if rest is None else rest[rows])
    return count, _sum(*column), _product(column, column)
