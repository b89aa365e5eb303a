"""Sums of floating point numbers and of their products without any rounding, at the speed of numpy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHUNK = 8192
"""Rows at a time: they stay in the cache of a core while they are taken apart."""
_SPLIT = 134217729.0  # 2**27 + 1
_LEAST, _MOST = 2.0**-480, 2.0**480
_SHIFTS = (0, -600, 600)


def exact_sum(values: Floats) -> Fraction:
    """Add numbers exactly: the result does not depend on their order, nor on how they were split.

    Parameters
    ----------
    values : array of float
        Finite; may be empty.

    Returns
    -------
    Fraction
        The sum itself; its denominator is a power of two.

    Notes
    -----
    From a chunk whose largest number is below 2^e, the leading bits down to 2^(e + m - 52), with 2^m the number of
    rows, are taken off all numbers at once; these add without rounding in any order. What is left goes the same way: S. M. Rump,
    T. Ogita, S. Oishi, Accurate floating-point summation part I, SIAM J. Sci. Comput. 31 (2008) 189, `ExtractVector`.
    """
    parts: list[float] = []
    shifted = Fraction(0)
    for start in range(0, values.size, CHUNK):
        chunk = values[start : start + CHUNK]
        largest = float(np.max(np.abs(chunk)))
        if largest > _MOST:
            # Scaled down, so that taking bits off does not overflow; numbers that would lose bits go by themselves.
            small = np.abs(chunk) < 2.0**-300
            shifted += _whole(chunk[small].tolist())
            found: list[float] = []
            _extract(np.ldexp(np.where(small, 0.0, chunk), -600), found)
            shifted += _whole(found) * 2**600
        else:
            _extract(chunk.copy(), parts)
    return _whole(parts) + shifted


def exact_product_sum(one: Floats, other: Floats) -> Fraction:
    """Add the products of two columns exactly.

    Parameters
    ----------
    one, other : array of float
        Finite and equally long; may be empty. The same array twice gives the sum of squares.

    Returns
    -------
    Fraction
        The sum of ``one[i] * other[i]``; its denominator is a power of two.

    Notes
    -----
    Each product is a rounded one and its error, both floating point numbers: T. J. Dekker, A floating-point technique for
    extending the available precision, Numer. Math. 18 (1971) 224. Numbers whose products could leave the range of
    floating point are scaled by a power of two first.
    """
    rounded, errors = np.empty(CHUNK), np.empty(CHUNK)
    parts: list[float] = []
    total = Fraction(0)
    for start in range(0, one.size, CHUNK):
        a = one[start : start + CHUNK]
        b = a if other is one else other[start : start + CHUNK]
        if _ordinary(a) and (b is a or _ordinary(b)):
            _products(a, b, rounded[: a.size], errors[: a.size])
            _extract(rounded[: a.size], parts)
            _extract(errors[: a.size], parts)
        else:
            total += _extreme_products(a, b)
    return total + _whole(parts)


def _extract(rest: Floats, parts: list[float]) -> None:
    """Take numbers apart into sums that are exact; ``rest`` is used up."""
    room = math.ceil(math.log2(rest.size + 2))
    high = np.empty_like(rest)
    while True:
        largest = max(float(rest.max()), -float(rest.min()))
        if largest == 0.0:
            return
        exponent = math.frexp(largest)[1] + room
        if exponent < -1000:  # the bits to take off would lie below the smallest number: these few are added one by one
            parts.extend(rest[rest != 0].tolist())
            return
        anchor = math.ldexp(1.0, exponent)
        np.add(rest, anchor, out=high)
        np.subtract(high, anchor, out=high)
        parts.append(float(high.sum()))
        np.subtract(rest, high, out=rest)


def _products(a: Floats, b: Floats, rounded: Floats, errors: Floats) -> None:
    np.multiply(a, b, out=rounded)
    a_high, a_low = _halves(a)
    b_high, b_low = (a_high, a_low) if b is a else _halves(b)
    np.multiply(a_high, b_high, out=errors)
    errors -= rounded
    if b is a:
        errors += 2.0 * (a_high * a_low)
    else:
        errors += a_high * b_low
        errors += a_low * b_high
    errors += a_low * b_low


def _halves(values: Floats) -> tuple[Floats, Floats]:
    wide = values * _SPLIT
    high = wide - (wide - values)
    return high, values - high


def _ordinary(values: Floats) -> bool:
    """Tell whether squares and products of these numbers, with all their bits, are floating point numbers."""
    sizes = np.abs(values)
    if float(sizes.max()) > _MOST:
        return False
    least = float(sizes.min())
    if least == 0.0:
        least = float(np.min(sizes, where=sizes > 0.0, initial=1.0))
    return least >= _LEAST


def _extreme_products(a: Floats, b: Floats) -> Fraction:
    """Add products of which some are too large or too small, with a scale that fits each; the last ones by hand."""
    total = Fraction(0)
    left = (a != 0.0) & (b != 0.0)
    for shift in _SHIFTS:
        with np.errstate(over="ignore", under="ignore"):
            x, y = np.ldexp(a, shift), np.ldexp(b, shift)
        fits = left & _within(x) & _within(y)
        if fits.any():
            total += exact_product_sum(x[fits], y[fits]) / Fraction(2) ** (2 * shift)
            left &= ~fits
    return total + sum((Fraction(x) * Fraction(y) for x, y in zip(a[left], b[left], strict=True)), Fraction(0))


def _within(values: Floats) -> NDArray[np.bool_]:
    sizes = np.abs(values)
    return np.asarray((sizes >= _LEAST) & (sizes <= _MOST), dtype=np.bool_)


def _whole(parts: Iterable[float]) -> Fraction:
    """Add some numbers as integers over one power of two."""
    ratios = [part.as_integer_ratio() for part in parts]
    if not ratios:
        return Fraction(0)
    most = max(denominator for _, denominator in ratios)
    return Fraction(sum(numerator * (most // denominator) for numerator, denominator in ratios), most)
