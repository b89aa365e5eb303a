"""The rules of movement: how much more than offline's own steps is too much, and why.

Resampling the entities bounds the noise of sampling, not the weather: one bad day moves all entities
together, and one or two earlier steps cannot show how bad days get. So four things are asked.

* ``both_ways``: a bad day pushes one way; another definition moves entities up and down alike. Twice
  the smaller of the upward and the downward movement, the part that no common push explains, is
  beyond from ``SLACK`` times the yardstick's whole size on.
* ``size``: a one-sided difference (offset, scale) has to be ``PUSH_SLACK`` times the yardstick and
  at least ``RELEVANT`` of the spread among entities.
* ``scatter``: the size around the median difference, against the same of the steps, from
  ``SCATTER_SLACK`` on and at least ``RELEVANT_SCATTER`` of the spread. It sees another definition
  through a push that all entities share; a push on online instants hours apart scatters a little too.
* ``mean``, ``variance``, ``psi``: follow a common push as well, so they decide only once
  ``SPREAD_STEPS`` steps show how much they scatter, and only where relevant: a storm in twenty days is
  mostly not among them. They are always reported.
* ``commonest``: the share of entities with one and the same value. It is ``COLLAPSED`` and more where a pipeline writes one value for
  everybody; no weather does that to a feature that differs among the same entities after each of offline's own steps.
* ``clock`` (in ``clock``), of instants: the share that is one offset of a zone from the row that holds them.
* ``outruns`` (in ``_outruns``): the share of entities that move further than in any of their own earlier
  steps, upwards and downwards alike; a rank test, so tails and units do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from feast_skew.statistics._special import beta_quantile

FEWEST = 30
SMALL_SHARE = 0.001
RELEVANT = 0.5  # of the spread among entities
UNHEARD_OF = 20.0  # times the largest step: no day of the flights or of the simulated worlds pushed that far
FEW_STEPS = 3  # fewer say little of how calm a feature is
RELEVANT_SCATTER = 0.15  # of the same
COLLAPSED = 0.95  # of the entities: what they share says nothing of them any more
BESIDE = 0.02  # of offline's values on either side of such a value
RELEVANT_PSI = 0.24  # the PSI of deciles that such a shift of a normal gives
RELEVANT_VARIANCE = 0.41  # log of a ratio of 1.5
SPREAD_STEPS = 5
SPREAD_FACTOR = 6.0
_SLACK = {1: 2.0, 2: 1.75}
_SCATTER_SLACK = {1: 5.0, 2: 4.5}
_PUSH_SLACK = {1: 6.0, 2: 5.0}
MEAN_SLACK = 2.0


def slack(steps: int) -> float:
    """Give how many times its yardstick a movement in both directions may be."""
    return _SLACK.get(steps, 1.5)


def push_slack(steps: int) -> float:
    """Give how many times its yardstick a movement in one direction may be."""
    return _PUSH_SLACK.get(steps, 3.0)


def scatter_slack(steps: int) -> float:
    """Give how many times its yardstick the movement around the median may be."""
    return _SCATTER_SLACK.get(steps, 4.0)


@dataclass(frozen=True)
class MovementStatistic:
    """One observed number beside its yardstick.

    ``value`` and its one-sided lower bound ``low`` are online against the row before; ``yardstick`` is
    the largest over the steps and ``yardstick_high`` its upper bound; ``ratio`` is value over yardstick,
    None for a yardstick of 0. ``limit`` is what ``low`` has to exceed to be ``beyond``. ``verdict``
    is beyond, within, undecided, or reported where the statistic does not decide.
    """

    name: str
    value: float | None
    low: float | None
    yardstick: float | None
    yardstick_high: float | None
    ratio: float | None
    limit: float | None
    verdict: str
    reason: str


def ratio(value: float | None, yardstick: float | None) -> float | None:
    """Give value over yardstick, None when it is undefined or beyond floating point."""
    if value is None or yardstick is None or yardstick <= 0:
        return None
    found = value / yardstick
    return found if found < float("inf") else None


def verdict(value: float | None, low: float | None, limit: float | None) -> str:
    """Compare with a limit: the lower bound has to exceed it, the value has to be inside it."""
    if value is None or low is None or limit is None:
        return "reported"
    if low > limit:
        return "beyond"
    return "within" if value <= limit else "undecided"


def share_statistic(
    name: str,
    observed: tuple[int, int],
    steps: Sequence[tuple[int, int]],
    confidence: float,
) -> MovementStatistic:
    """Judge a share of entities (changed, of all) against the shares in the steps.

    Parameters
    ----------
    name : str
        Of the statistic.
    observed : (int, int)
        Entities that differ, and all.
    steps : sequence of (int, int)
        The same for every step.
    confidence : float
        Of each exact (Clopper-Pearson) bound.

    Returns
    -------
    MovementStatistic
        Shares from 0 to 1. The limit lets the rate of change be ``slack`` times the highest upper bound:
        1 - (1 - share) ** slack, and never less than ``SMALL_SHARE``. Undecided below ``FEWEST``.

    Notes
    -----
    On the scale of rates, -log(1 - share), a slack of 2 is two steps in one and stays below 1.
    """
    used = [(k, n) for k, n in steps if n >= FEWEST]
    k, n = observed
    if n < FEWEST or not used:
        reason = f"{name}: only {n} entities have a value on both sides and a step; {FEWEST} are needed"
        return MovementStatistic(name, None, None, None, None, None, None, "undecided", reason)
    value, low = k / n, share_low(k, n, confidence)
    yardstick = max(a / b for a, b in used)
    high = max(share_high(a, b, confidence) for a, b in used)
    limit = max(SMALL_SHARE, 1.0 - (1.0 - high) ** slack(len(used)))
    reason = (
        f"{name}: {value:.1%} of {n} entities against {yardstick:.1%} in offline's own steps "
        f"(limit {limit:.1%}, lower bound {low:.1%})"
    )
    found = verdict(value, low, limit)
    return MovementStatistic(name, value, low, yardstick, high, ratio(value, yardstick), limit, found, reason)


def nearly_all(found: MovementStatistic) -> MovementStatistic:
    """Judge a share by whether it is surely that of (nearly) all entities, and more than the steps explain; never undecided."""
    if found.limit is None:
        return replace(found, verdict="reported")
    limit = max(found.limit, COLLAPSED)
    beyond = found.low is not None and found.low > limit
    return replace(found, limit=limit, verdict="beyond" if beyond else "within")


def share_low(k: int, n: int, confidence: float) -> float:
    """Give the lower Clopper-Pearson bound of k among n."""
    return beta_quantile(1.0 - confidence, k, n - k + 1) if k > 0 else 0.0


def share_high(k: int, n: int, confidence: float) -> float:
    """Give the upper Clopper-Pearson bound of k among n."""
    return beta_quantile(confidence, k + 1, n - k) if k < n else 1.0
