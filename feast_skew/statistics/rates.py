"""Exact inference for a share of wrong entities when the sample is drawn without replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from feast_skew.statistics._hypergeometric import tail_above, tail_below


@dataclass(frozen=True)
class RateBounds:
    """An observed share with its one-sided exact bounds, all shares between 0 and 1."""

    value: float
    low: float
    high: float


def allowed_wrong(budget: float, population: int) -> int:
    """Give the largest number of wrong entities that a budget allows in a population.

    Parameters
    ----------
    budget : float
        Allowed share, 0 to 1, taken as the decimal number that it prints as: 0.29 of 100 is 29,
        although ``0.29 * 100`` in floating point is below it.
    population : int
        Number of entities, 0 or more.

    Returns
    -------
    int
        floor(budget * population), between 0 and ``population``.

    Raises
    ------
    ValueError
        If the budget is not between 0 and 1 or the population is negative.
    """
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"budget must be a share between 0 and 1, not {budget!r}")
    if population < 0:
        raise ValueError(f"population must not be negative: {population}")
    return int(Fraction(repr(float(budget))) * population)


def rate_bounds(wrong: int, checked: int, population: int, confidence: float) -> RateBounds | None:
    """Bound the share of wrong entities in the population, exactly, from a simple random sample.

    ``wrong`` is hypergeometric given the K wrong among ``population``. ``low`` is the smallest K for
    which seeing so many is not improbable (more than 1 - confidence), ``high`` the largest K for which
    seeing so few is not; both over ``population``.

    Parameters
    ----------
    wrong, checked, population : int
        Entities found wrong, looked at, and in all: 0 <= wrong <= checked <= population.
    confidence : float
        Of each one-sided bound, from 0.5 to below 1.

    Returns
    -------
    RateBounds or None
        Shares between 0 and 1 with low <= value <= high; all three are equal when everything was
        checked. None when nothing was checked.

    Raises
    ------
    ValueError
        If the counts contradict each other or the confidence is out of range.

    Notes
    -----
    Clopper and Pearson (Biometrika 26, 1934) with the finite population's own distribution:
    Buonaccorsi, Am. Stat. 41 (1987) 215; the coverage is never below the confidence.
    """
    _check(wrong, checked, population, confidence)
    if checked == 0:
        return None
    alpha = 1.0 - confidence
    least, most = wrong, population - (checked - wrong)
    low = _first(lambda k: tail_above(wrong, population, k, checked) > alpha, least, most)
    high = -_first(lambda k: tail_below(wrong, population, -k, checked) > alpha, -most, -least)
    value = wrong / checked
    # Below a confidence of 0.95 or so the steps of 1 / population can leave the value just outside.
    return RateBounds(value, min(low / population, value), max(high / population, value))


def exceeds_p_value(wrong: int, checked: int, population: int, budget: float) -> float:
    """Give the one-sided p-value of the claim that the share wrong is within its budget.

    The probability of at least ``wrong`` in the sample if the population held exactly as many wrong
    as the budget allows, floor(budget * population): the largest of all within the budget.

    Parameters
    ----------
    wrong, checked, population : int
        0 <= wrong <= checked <= population.
    budget : float
        Allowed share of the population, 0 to 1.

    Returns
    -------
    float
        0 to 1. After a census 0.0 when the budget is exceeded and 1.0 when not. 1.0 when nothing was
        checked.

    Raises
    ------
    ValueError
        If the counts contradict each other or the budget is no share.
    """
    _check(wrong, checked, population, 0.95)
    return tail_above(wrong, population, allowed_wrong(budget, population), checked)


def sample_to_decide(wrong: int, checked: int, population: int, budget: float, confidence: float) -> int | None:
    """Give the smallest sample that would decide on the budget if the observed share held.

    Decided means that the upper bound is within the budget, or the p-value at most 1 - confidence. The
    count expected in a larger sample is the observed share of it, rounded against the decision. With
    none wrong so far this is the exact form of the rule of three (about 3 / budget).

    Parameters
    ----------
    wrong, checked, population : int
        0 <= wrong <= checked <= population; with nothing checked, none wrong is assumed.
    budget : float
        Allowed share, 0 to 1.
    confidence : float
        From 0.5 to below 1.

    Returns
    -------
    int or None
        More than ``checked`` and at most ``population``, which is returned when only reading all
        decides. None when everything was read already, or there is nothing to read.

    Raises
    ------
    ValueError
        If the counts contradict each other, or budget or confidence are out of range.
    """
    _check(wrong, checked, population, confidence)
    allowed = allowed_wrong(budget, population)
    if checked >= population:
        return None
    alpha, start = 1.0 - confidence, checked + 1

    def passes(bad: int, n: int) -> bool:
        return allowed == population or tail_below(bad, population, allowed + 1, n) <= alpha

    if wrong == 0:
        return _first(lambda n: passes(0, n), start, population)
    rate = Fraction(wrong, checked)
    if rate * population <= allowed:
        # With `bad` wrong, at most floor(bad / rate) fit: the best chance to pass with that many.
        def ends(bad: int) -> int:
            return max(start, min(population, int(bad / rate)))

        most = -(-rate * population // 1)
        least = -(-rate * start // 1)
        bad = _first(lambda k: passes(k, ends(k)), int(least), int(most))
        begins = max(start, int((bad - 1) / rate) + 1)
        return _first(lambda n: passes(bad, n), begins, ends(bad))

    def begins_at(bad: int) -> int:
        return max(start, min(population, int(-(-bad // rate))))

    least, most = int(rate * start), int(rate * population)
    bad = _first(lambda k: tail_above(k, population, allowed, begins_at(k)) <= alpha, least, most + 1)
    return begins_at(bad)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Give the smallest whole number that holds, once true always true; ``high`` when none does."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _check(wrong: int, checked: int, population: int, confidence: float) -> None:
    if not 0 <= wrong <= checked <= population:
        raise ValueError(f"need 0 <= wrong <= checked <= population, not {wrong}, {checked}, {population}")
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must be from 0.5 to below 1, not {confidence!r}")
