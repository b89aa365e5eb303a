"""What a sample of a given size can tell about a budget, and how large it has to be: exact, before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from feast_skew.statistics._hypergeometric import tail_above, tail_below
from feast_skew.statistics.rates import _first, allowed_wrong, sample_to_decide

# Beyond so many, the exact sample is not worth the seconds.
_MOST_INTERVALS = 500
# Six steps a decade that read well; over three decades, from a tenth of the budget to a hundred times it.
_STEPS = (1, Fraction(3, 2), 2, 3, 5, 7)
_MULTIPLES = (*(step * Fraction(10) ** power for power in (-1, 0, 1) for step in _STEPS), Fraction(100))


@dataclass(frozen=True)
class CriticalCounts:
    """The counts of wrong entities in a sample at which its verdict changes.

    ``pass_most`` is the largest count that passes, -1 when none does; ``fail_least`` the smallest that fails, more than
    the sample when none does. A count between them leaves the verdict open.
    """

    pass_most: int
    fail_least: int


@dataclass(frozen=True)
class OperatingPoint:
    """The probabilities of each verdict when that share of the population is wrong; they add up to 1."""

    rate: float
    passes: float
    fails: float
    open: float


def critical_counts(
    population: int, sample: int, budget: float, confidence: float, features: int = 1
) -> CriticalCounts:
    """Find the counts of wrong entities at which a sample passes, and fails, a budget.

    A count passes when its upper bound is within the budget and fails when its p-value is at most
    (1 - confidence) / features: what Benjamini and Hochberg ask of the one wrong feature among so many, and the most
    that they ask of any.

    Parameters
    ----------
    population, sample : int
        0 <= sample <= population, in entities.
    budget : float
        Allowed share of the population, 0 to 1.
    confidence : float
        From 0.5 to below 1.
    features : int
        Number of features that are judged together, 1 or more.

    Returns
    -------
    CriticalCounts
        Nothing is decided by an empty sample.

    Raises
    ------
    ValueError
        If the numbers contradict each other or are out of range.
    """
    _check(population, sample, confidence, features)
    allowed = allowed_wrong(budget, population)
    if sample == 0:
        return CriticalCounts(-1, 1)
    fail_least = _fail_least(population, sample, allowed, confidence, features, 0, min(sample, allowed) + 1)
    if allowed == population:
        return CriticalCounts(sample, fail_least)
    alpha = 1.0 - confidence

    def too_many(count: int) -> bool:
        return count / sample > budget or tail_below(count, population, allowed + 1, sample) > alpha

    return CriticalCounts(_first(too_many, 0, fail_least) - 1, fail_least)


def operating_point(
    true_wrong: int, population: int, sample: int, budget: float, confidence: float, features: int = 1
) -> OperatingPoint:
    """Give the probabilities that a feature passes, fails and stays open when so many entities are wrong.

    Parameters
    ----------
    true_wrong : int
        Wrong entities in the population, 0 to ``population``.
    population, sample, budget, confidence, features
        As in `critical_counts`; the population is not empty.

    Returns
    -------
    OperatingPoint
        Exact for sampling without replacement, to about 1e-12. The probability to fail is that of the one wrong
        feature among ``features``: it is larger when others are wrong too. After a census each is 0 or 1; an empty
        sample leaves all open.

    Raises
    ------
    ValueError
        If the numbers contradict each other or are out of range.
    """
    if not 0 <= true_wrong <= population or population == 0:
        raise ValueError(f"need 0 <= true_wrong <= population and population > 0, not {true_wrong}, {population}")
    return _point(true_wrong, population, sample, critical_counts(population, sample, budget, confidence, features))


def operating_curve(
    population: int, sample: int, budget: float, confidence: float, features: int = 1
) -> tuple[OperatingPoint, ...]:
    """Give `operating_point` over the true rates that matter to a budget.

    The rates are 0, the budget, the first beyond it, and steps from a tenth of the budget to a hundred times it (of the
    smallest rate that there is, when the budget allows nobody); each a whole number of entities.

    Parameters
    ----------
    population, sample, budget, confidence, features
        As in `critical_counts`.

    Returns
    -------
    tuple of OperatingPoint
        By rising rate; along it ``passes`` never rises and ``fails`` never falls. A step after a census. Empty for an
        empty population.

    Raises
    ------
    ValueError
        If the numbers contradict each other or are out of range.
    """
    counts = critical_counts(population, sample, budget, confidence, features)
    allowed = allowed_wrong(budget, population)
    base = Fraction(repr(float(budget))) * population if allowed else Fraction(1)
    wrong = {0, allowed, allowed + 1, *(round(multiple * base) for multiple in _MULTIPLES)}
    if population == 0:
        return ()
    return tuple(_point(k, population, sample, counts) for k in sorted(wrong) if k <= population)


def decided_rates(
    population: int, sample: int, budget: float, confidence: float, features: int = 1, probability: float = 0.95
) -> tuple[float | None, float | None]:
    """Give the true rates between which a sample may well leave the verdict open.

    Parameters
    ----------
    population, sample, budget, confidence, features
        As in `critical_counts`.
    probability : float
        How surely a verdict is reached, above 0 and below 1.

    Returns
    -------
    (float or None, float or None)
        The largest rate that passes, and the smallest that fails, each with at least that probability; None where no
        rate does.

    Raises
    ------
    ValueError
        If the numbers contradict each other or are out of range.
    """
    _check_share("probability", probability)
    counts = critical_counts(population, sample, budget, confidence, features)
    if population == 0 or sample == 0:
        return None, None
    beyond = _first(lambda k: tail_below(counts.pass_most, population, k, sample) < probability, 0, population + 1)
    surely = _first(lambda k: tail_above(counts.fail_least, population, k, sample) >= probability, 0, population + 1)
    return (beyond - 1) / population if beyond else None, surely / population if surely <= population else None


def sample_to_detect(
    rate: float, power: float, population: int, budget: float, confidence: float, features: int = 1
) -> int | None:
    """Give the sample from which on a wrong feature fails with a given power, and one with nothing wrong passes.

    The power goes up and down with the sample, as counts are whole numbers: it rises until the critical count takes its
    next step. This is the smallest sample such that it *and every larger one* reach the power, found exactly unless the
    rate is so near the budget (within a tenth of it) that this takes too long: then it may be larger, by the entities
    among which about two more are wrong than the budget allows.

    Parameters
    ----------
    rate : float
        True share of wrong entities that has to fail, above the budget, at most 1; as many entities as reach it.
    power : float
        Least probability to fail at that rate, above 0 and below 1.
    population, budget, confidence, features
        As in `critical_counts`.

    Returns
    -------
    int or None
        1 to ``population``, which is returned when only reading all is enough; None for an empty population.

    Raises
    ------
    ValueError
        If the rate is within the budget, or a number is out of range.
    """
    _check_share("power", power)
    _check(population, 0, confidence, features)
    if not budget < rate <= 1.0:
        raise ValueError(f"rate must be above the budget {budget!r} and at most 1, not {rate!r}")
    clean = sample_to_decide(0, 0, population, budget, confidence)
    if clean is None:
        return None
    wrong = int(-(-Fraction(repr(float(rate))) * population // 1))
    sizing = _Sizing(population, wrong, allowed_wrong(budget, population), confidence, features, power)
    found = sizing.smallest(clean)
    return sizing.with_one_to_spare(clean) if found is None else found


@dataclass(frozen=True)
class _Sizing:
    """The question of `sample_to_detect` in whole numbers."""

    population: int
    wrong: int
    allowed: int
    confidence: float
    features: int
    power: float

    def smallest(self, first: int) -> int | None:
        """Give the smallest sample from `first` on that reaches the power with every larger one; None to give up.

        Between samples a < b the critical count is at most that of b, and the count found no smaller than that of a. So
        the power of a with the critical count of b bounds all of them from below, and an interval whose bound is high
        enough is settled at once; others are halved, from the largest sample down.
        """
        open_intervals = [(first, self.population, self._critical(first, 0, self.allowed + 1), self.allowed + 1)]
        for _ in range(_MOST_INTERVALS):
            if not open_intervals:
                return first
            low, high, at_low, at_high = open_intervals.pop()
            if self._reaches(low, at_high):
                continue
            if low == high:
                return low + 1
            middle = (low + high) // 2
            before = self._critical(middle, at_low, at_high)
            after = self._critical(middle + 1, before, at_high)
            open_intervals += [(low, middle, at_low, before), (middle + 1, high, after, at_high)]
        return None

    def with_one_to_spare(self, first: int) -> int:
        """Give the sample at which even a critical count that is one larger reaches the power.

        Rounding to whole numbers raises the critical count by less than one over a quantile that grows smoothly with
        the sample, so no larger sample falls below the power again.
        """

        def enough(sample: int) -> bool:
            spare = min(self._critical(sample, 0, self.allowed + 1) + 1, self.allowed + 1)
            return self._reaches(sample, spare)

        return _first(enough, first, self.population)

    def _critical(self, sample: int, low: int, high: int) -> int:
        if low == high:
            return low
        return _fail_least(self.population, sample, self.allowed, self.confidence, self.features, low, high)

    def _reaches(self, sample: int, critical: int) -> bool:
        return tail_above(critical, self.population, self.wrong, sample) >= self.power


def _fail_least(
    population: int, sample: int, allowed: int, confidence: float, features: int, low: int, high: int
) -> int:
    """Give the smallest count that fails, known to lie between two others."""
    alpha = 1.0 - confidence
    return _first(lambda count: tail_above(count, population, allowed, sample) * features <= alpha, low, high)


def _point(wrong: int, population: int, sample: int, counts: CriticalCounts) -> OperatingPoint:
    passes = tail_below(counts.pass_most, population, wrong, sample)
    fails = tail_above(counts.fail_least, population, wrong, sample)
    return OperatingPoint(wrong / population, passes, fails, max(0.0, 1.0 - passes - fails))


def _check(population: int, sample: int, confidence: float, features: int) -> None:
    if not 0 <= sample <= population:
        raise ValueError(f"need 0 <= sample <= population, not {sample}, {population}")
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must be from 0.5 to below 1, not {confidence!r}")
    if features < 1:
        raise ValueError(f"features must be 1 or more, not {features}")


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must be above 0 and below 1, not {value!r}")
