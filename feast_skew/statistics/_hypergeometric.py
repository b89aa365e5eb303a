"""Tails of the hypergeometric distribution, accurate to about 1e-12 up to populations of 1e9.

The probability of one outcome comes from Loader's saddle-point form of the binomial (C. Loader,
"Fast and Accurate Computation of Binomial Probabilities", 2000), which never subtracts large
logarithms. A tail is that probability times a sum of products of the exact ratios between neighbours.
"""

from __future__ import annotations

import math

import numpy as np

_CHUNK = 4096
_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def _stirling_error(n: int) -> float:
    """Give log(n!) minus Stirling's formula for it."""
    if n <= 15:
        return math.lgamma(n + 1.0) - ((n + 0.5) * math.log(n) - n + _HALF_LOG_TAU) if n else 0.0
    square = float(n) * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


def _deviance(x: int, mean: float) -> float:
    """Give x log(x / mean) + mean - x without cancellation."""
    gap = x - mean
    if abs(gap) < 0.1 * (x + mean):
        v = gap / (x + mean)
        total, power, order = gap * v, 2.0 * x * v, 1
        while True:
            power *= v * v
            order += 2
            new = total + power / order
            if new == total:
                return new
            total = new
    return (x * math.log(x / mean) if x else 0.0) + mean - x


def _log_binomial(x: int, n: int, p: float, q: float) -> float:
    """Give log P(Binomial(n, p) = x), with q = 1 - p given for its precision."""
    if x == 0:
        return n * math.log1p(-p) if p < 0.5 else n * math.log(q)
    if x == n:
        return n * math.log1p(-q) if q < 0.5 else n * math.log(p)
    log_c = _stirling_error(n) - _stirling_error(x) - _stirling_error(n - x)
    log_c -= _deviance(x, n * p) + _deviance(n - x, n * q)
    return log_c - _HALF_LOG_TAU - 0.5 * (math.log(x) + math.log(n - x) - math.log(n))


def _probability(x: int, population: int, marked: int, drawn: int) -> float:
    """Give P(X = x) for x inside the support."""
    p, q = drawn / population, (population - drawn) / population
    if drawn == population:
        return 1.0
    log_p = _log_binomial(x, marked, p, q)
    log_p += _log_binomial(drawn - x, population - marked, p, q)
    return math.exp(log_p - _log_binomial(drawn, population, p, q))


def _sum_upwards(x: int, population: int, marked: int, drawn: int) -> float:
    """Sum P(X >= x) from x upwards; x is in the support and not far below the mode."""
    first = _probability(x, population, marked, drawn)
    last = min(marked, drawn)
    total, term, at = 1.0, 1.0, x
    rest = float(population - marked - drawn)
    while at < last and term > 1e-18 * total:
        i = np.arange(at, min(at + _CHUNK, last), dtype=np.float64)
        terms = term * np.cumprod((marked - i) * (drawn - i) / ((i + 1.0) * (rest + i + 1.0)))
        total += float(terms.sum())
        term = float(terms[-1])
        at += len(i)
    return first * total


def tail_above(x: int, population: int, marked: int, drawn: int) -> float:
    """Give P(X >= x) where X counts the marked among those drawn without replacement."""
    low, high = max(0, drawn + marked - population), min(marked, drawn)
    if x <= low:
        return 1.0
    if x > high:
        return 0.0
    mode = (drawn + 1) * (marked + 1) // (population + 2)
    if x > mode:
        return min(1.0, _sum_upwards(x, population, marked, drawn))
    return max(0.0, 1.0 - tail_below(x - 1, population, marked, drawn))


def tail_below(x: int, population: int, marked: int, drawn: int) -> float:
    """Give P(X <= x); by symmetry the unmarked among those drawn are at least drawn - x."""
    low, high = max(0, drawn + marked - population), min(marked, drawn)
    if x < low:
        return 0.0
    if x >= high:
        return 1.0
    mode = (drawn + 1) * (marked + 1) // (population + 2)
    if x <= mode:
        return min(1.0, _sum_upwards(drawn - x, population, population - marked, drawn))
    return max(0.0, 1.0 - _sum_upwards(x + 1, population, marked, drawn))
