"""Quantiles of named distributions: the only place where scipy is imported, and only when used."""

from __future__ import annotations


def chi_square_quantile(probability: float, degrees: float) -> float:
    """Give the chi-square value that is exceeded with probability 1 - ``probability``."""
    from scipy.special import chdtri  # type: ignore[import-untyped, unused-ignore]

    return float(chdtri(degrees, 1.0 - probability))


def t_quantile(probability: float, degrees: float) -> float:
    """Give the value of Student's t that is not exceeded with this probability."""
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    return float(stdtrit(degrees, probability))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Give the value of Beta(a, b) that is not exceeded with this probability."""
    from scipy.special import betaincinv  # type: ignore[import-untyped, unused-ignore]

    return float(betaincinv(a, b, probability))


def normal_tail(distance: float) -> float:
    """Give the probability that a standard normal variable is at least this large."""
    from scipy.special import ndtr  # type: ignore[import-untyped, unused-ignore]

    return float(ndtr(-distance))


def normal_quantile(probability: float) -> float:
    """Give the standard normal value that is not exceeded with this probability."""
    from scipy.special import ndtri  # type: ignore[import-untyped, unused-ignore]

    return float(ndtri(probability))


def chi_square_tail(value: float, degrees: float) -> float:
    """Give the probability that a chi-square variable is at least this large."""
    from scipy.special import chdtrc  # type: ignore[import-untyped, unused-ignore]

    return float(chdtrc(degrees, value))


def binomial_tail(least: int, n: int) -> float:
    """Give the probability of at least so many heads in n flips of a fair coin."""
    from scipy.special import bdtrc  # type: ignore[import-untyped, unused-ignore]

    return float(bdtrc(least - 1, n, 0.5)) if least > 0 else 1.0
