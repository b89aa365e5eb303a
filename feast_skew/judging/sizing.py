"""How many entities a run has to read to tell a rate from its budget, and what a sample of that size can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from feast_skew.core.model import Plan, ViewPlan
from feast_skew.errors import ConfigError
from feast_skew.report import Finding
from feast_skew.statistics.power import decided_rates, operating_curve, sample_to_detect
from feast_skew.statistics.rates import sample_to_decide

# More entities than that take long enough to say so before anybody wonders.
MANY = 5_000_000
# As good as unlimited: the size hardly changes any more.
UNLIMITED = 10**9


def strictest_budget(views: Sequence[ViewPlan]) -> float:
    """Give the smallest mismatch budget of the features of some views, of which there is at least one."""
    return min(feature.limits.mismatch_budget for view in views for feature in view.features)


def count_features(plan: Plan) -> int:
    """Give the number of features that are judged together."""
    return sum(len(view.features) for view in (*plan.views, *(one.view for one in plan.on_demand)))


def check_detectable(plan: Plan, detect: float) -> None:
    """Refuse a rate that every feature of some key set is allowed to have.

    Raises
    ------
    ConfigError
        Naming the budget.
    """
    for keys, views in plan.key_sets().items():
        budget = strictest_budget(views)
        if detect <= budget:
            raise ConfigError(
                f"detect {detect:.6g} is within the mismatch_budget {budget:.6g} of the features by {keys}",
                hint="no sample tells an allowed rate from one to detect; give a larger rate or a smaller budget",
            )


def sizer(
    plan: Plan, views: Sequence[ViewPlan], detect: float, power: float, confidence: float
) -> Callable[[int], int]:
    """Give the function from the size of a population to the sample that it needs.

    Of every feature whose budget is below the rate: the rate fails with that power, and a feature without any wrong
    entity passes both of its budgets. A budget that allows the rate asks for no power, only for the pass.
    """
    features = count_features(plan)
    limits = [feature.limits for view in views for feature in view.features]
    mismatch = {limit.mismatch_budget for limit in limits}
    smallest = min(mismatch | {limit.presence_budget for limit in limits})
    known: dict[int, int] = {}

    def needed(population: int) -> int:
        if population not in known:
            sizes = [sample_to_decide(0, 0, population, smallest, confidence)]
            sizes += [
                sample_to_detect(detect, power, population, budget, confidence, features)
                for budget in mismatch
                if budget < detect
            ]
            known[population] = max(size or 0 for size in sizes)
        return known[population]

    return needed


def describe_sample(
    entities: int, population: int, budget: float, confidence: float, features: int, probability: float
) -> dict[str, Any]:
    """Give what a sample of that size can tell about a budget, as plain JSON values; nothing for no entities."""
    curve = operating_curve(population, entities, budget, confidence, features)
    passes, fails = decided_rates(population, entities, budget, confidence, features, probability)
    return {
        "budget": budget,
        "operating_curve": [
            {"rate": point.rate, "pass": point.passes, "fail": point.fails, "open": point.open} for point in curve
        ],
        "decided": {"probability": probability, "pass_up_to": passes, "fail_from": fails},
    }


def large_sample(joined: str, needed: int, population: int, detect: float) -> Finding:
    """Say that detecting so small a rate takes very many entities."""
    return Finding(
        "FS212",
        "info",
        "",
        f"{needed:,} of {population:,} entities by {joined} have to be read to detect a rate of {detect:.6g}",
        "a larger rate, a smaller mismatch_budget or less power needs fewer",
    )
