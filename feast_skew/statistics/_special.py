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
