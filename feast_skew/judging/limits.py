"""Shares held against budgets: one verdict per feature, false alarms controlled over all features of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feast_skew.report import Metric, Verdict
from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.rates import RateBounds, allowed_wrong, exceeds_p_value, rate_bounds, sample_to_decide


@dataclass(frozen=True)
class Share:
    """A count of wrong ones among those checked, which stand for a population, and the budget it is held to.

    `ambiguous` entities of the population cannot be checked by anybody. They are no random part of it, so the lower bound
    and the p-value take all of them as right, and the upper bound takes all of them as wrong.
    """

    wrong: int
    checked: int
    population: int
    budget: float
    ambiguous: int = 0

    @property
    def p_value(self) -> float:
        """One-sided p-value of "the share in the population is within the budget"; 1 when nothing was checked."""
        if not self.checked:
            return 1.0
        readable = self.population - self.ambiguous
        budget = self.budget
        if self.ambiguous:
            # A share of the readable ones that allows as many wrong; the half keeps rounding away from the step.
            budget = min(1.0, (allowed_wrong(self.budget, self.population) + 0.5) / readable)
        return exceeds_p_value(self.wrong, self.checked, readable, budget)

    def bounds(self, confidence: float) -> RateBounds | None:
        """Give the share with its one-sided bounds; None when nothing was checked."""
        readable = self.population - self.ambiguous
        found = rate_bounds(self.wrong, self.checked, readable, confidence)
        if found is None or not self.ambiguous:
            return found
        least, most = round(found.low * readable), round(found.high * readable) + self.ambiguous
        return RateBounds(
            found.value, min(least / self.population, found.value), max(most / self.population, found.value)
        )

    def decided(self, confidence: float) -> bool:
        """Tell whether this share alone would pass or fail."""
        bounds = self.bounds(confidence)
        return bounds is not None and (bounds.high <= self.budget or self.p_value <= 1.0 - confidence)


def settle(shares: Sequence[Share | None], confidence: float) -> list[Metric | None]:
    """Judge one share per feature, p-values adjusted by Benjamini-Hochberg over those that were checked.

    Fail when the adjusted p-value is at most 1 - confidence, pass when the upper bound is within the budget,
    else inconclusive with the number of entities that would decide. None stays None.
    """
    tested = [i for i, share in enumerate(shares) if share is not None and share.checked]
    adjusted = dict(zip(tested, benjamini_hochberg([_p(shares[i]) for i in tested]), strict=True))
    return [
        None if share is None else _metric(share, adjusted.get(i, 1.0), confidence) for i, share in enumerate(shares)
    ]


def _p(share: Share | None) -> float:
    return share.p_value if share is not None else 1.0


def _metric(share: Share, p_value: float, confidence: float) -> Metric:
    bounds = share.bounds(confidence)
    unchecked = {"ambiguous": share.ambiguous} if share.ambiguous else {}
    if bounds is None:
        return Metric(
            None,
            None,
            None,
            share.budget,
            Verdict.INCONCLUSIVE,
            {"wrong": 0, "checked": 0, "p_value": None, "needed": None, **unchecked},
        )
    needed = None
    if p_value <= 1.0 - confidence:
        verdict = Verdict.FAIL
    elif bounds.high <= share.budget:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
        if not share.ambiguous:
            needed = sample_to_decide(share.wrong, share.checked, share.population, share.budget, confidence)
    return Metric(
        bounds.value,
        bounds.low,
        bounds.high,
        share.budget,
        verdict,
        {"wrong": share.wrong, "checked": share.checked, "p_value": p_value, "needed": needed, **unchecked},
    )
