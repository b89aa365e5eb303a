"""How far the two sides lie apart, by each metric that can be limited, in a run and in others that chance could have given instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics.metrics.base import Measured, metrics, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.number_sample import NumberSample
from feast_skew.statistics.states.paired_bins import PairedBins
from feast_skew.statistics.states.sums import Sums

Floats = NDArray[np.float64]

PSI, MEAN, VARIANCE, NULL_RATE = "psi", "mean", "variance", "null_rate"
_FEWEST = 3


def distances(profile: Profile) -> dict[str, float]:
    """Give the distance of the two sides by the name of each limit, in the unit of that limit.

    Returns
    -------
    dict of str to float
        `psi` in nats; `mean` in standard deviations of offline; `variance` as a ratio, either way, 1 or more; `null_rate` as a share, either way. What
        is undefined for the profile is left out; all are 0 (`variance` 1) when the sides are alike.
    """
    found: dict[str, float] = {}
    for name, (key, distance) in _DISTANCES.items():
        definition = metrics()[key]
        needed = Sums.key if key in ("mean_difference", "variance_ratio") else Counts.key
        if needed not in profile.states or not definition.fits(profile):
            continue
        outcome = definition.compute(profile)
        value = distance(outcome) if isinstance(outcome, Measured) else None
        if value is not None and math.isfinite(value):
            found[name] = value
    return found


def resampled(
    profile: Profile, known: Collection[str], draws: int, generator: np.random.Generator
) -> dict[str, Floats]:
    """Give the distances of runs that could have been in the place of this one: the same pairs, drawn again with replacement.

    Parameters
    ----------
    profile : Profile
        As it was stored: counts of all pairs, and some of the pairs.
    known : collection of str
        Of which distances: those that `distances` gives for the profile.
    draws : int
        How many runs, 1 or more.

    Returns
    -------
    dict of str to array
        Shape (draws,), by the names of `distances`; what the profile does not tell is left out.

    Notes
    -----
    PSI and shares of nulls are drawn from the counts, which is the bootstrap itself. The standardized difference of the means is drawn from
    its normal limit, and the logarithm of the ratio of variances from that of its influence function over the kept pairs (B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 21); offline's own spread is taken as known.
    """
    makers: dict[str, Callable[[Profile, int, np.random.Generator], Floats | None]] = {
        PSI: _psi,
        MEAN: _mean,
        VARIANCE: _variance,
        NULL_RATE: _null_rate,
    }
    drawn = {name: make(profile, draws, generator) for name, make in makers.items() if name in known}
    return {name: values for name, values in drawn.items() if values is not None}


def _psi(profile: Profile, draws: int, generator: np.random.Generator) -> Floats | None:
    table = state_of(profile, PairedBins).table
    used = (table.sum(axis=0) + table.sum(axis=1)) > 0
    pairs = table[np.ix_(used, used)]
    n, size = int(pairs.sum()), pairs.shape[0]
    if not n:
        return None
    # Pairs that stay in their bin change both sides alike, so only which pairs move, and how many stay where, is drawn.
    counts = generator.multinomial(n, pairs.ravel() / n, size=draws).reshape(draws, size, size)
    offline, online = counts.sum(axis=2), counts.sum(axis=1)
    taken = ((offline + online) > 0).astype(np.float64)
    p, q = (offline + 0.5) * taken, (online + 0.5) * taken
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(taken > 0, (p - q) * (np.log(p) - np.log(q)), 0.0)
    found: Floats = terms.sum(axis=1)
    return found


def _mean(profile: Profile, draws: int, generator: np.random.Generator) -> Floats | None:
    sums = state_of(profile, Sums)
    n = sums.pairs
    if n < _FEWEST:
        return None
    apart = sums.y - sums.x
    try:
        spread = float((sums.xx - sums.x * sums.x / n) / (n - 1))
        varies = float((sums.xx - 2 * sums.xy + sums.yy - apart * apart / n) / (n - 1))
    except OverflowError:  # the sums are exact, and squares of what is beyond 1e154 are no float
        return None
    if spread <= 0.0:
        return None
    errors = generator.standard_normal(draws) * math.sqrt(max(0.0, varies) / n)
    return np.abs((float(apart / n) + errors) / math.sqrt(spread))


def _variance(profile: Profile, draws: int, generator: np.random.Generator) -> Floats | None:
    sums, sample = state_of(profile, Sums), profile.states.get(NumberSample.key)
    outcome = metrics()["variance_ratio"].compute(profile)
    if not isinstance(outcome, Measured) or outcome.value <= 0.0 or not isinstance(sample, NumberSample):
        return None
    finite = np.isfinite(sample.offline) & np.isfinite(sample.online)
    # Each side's unit falls out; squares of what is beyond 1e154 would be no float.
    x, y = (
        side[finite] / max(float(np.abs(side[finite]).max(initial=0.0)), 1e-300)
        for side in (sample.offline, sample.online)
    )
    if x.size < _FEWEST or x.std() == 0.0 or y.std() == 0.0:
        return np.full(draws, max(outcome.value, 1.0 / outcome.value)) if not sums.differing else None
    influence = ((y - y.mean()) / y.std()) ** 2 - ((x - x.mean()) / x.std()) ** 2
    error = float(influence.std()) / math.sqrt(sums.pairs)
    return np.exp(np.abs(math.log(outcome.value) + generator.standard_normal(draws) * error))


def _null_rate(profile: Profile, draws: int, generator: np.random.Generator) -> Floats | None:
    counts = state_of(profile, Counts)
    shares = np.array([counts.null_offline, counts.null_online]) / counts.rows
    drawn = generator.multinomial(counts.rows, [*shares, max(0.0, 1.0 - float(shares.sum()))], size=draws)
    return np.abs(drawn[:, 1] - drawn[:, 0]) / counts.rows


def _of_mean(outcome: Measured) -> float | None:
    size = outcome.extra.get("standardized")
    return None if size is None else abs(float(size))


def _of_ratio(outcome: Measured) -> float | None:
    return max(outcome.value, 1.0 / outcome.value) if outcome.value > 0.0 else None


_DISTANCES: Mapping[str, tuple[str, Callable[[Measured], float | None]]] = {
    PSI: ("psi", lambda outcome: outcome.value),
    MEAN: ("mean_difference", _of_mean),
    VARIANCE: ("variance_ratio", _of_ratio),
    NULL_RATE: ("null_rate_difference", lambda outcome: abs(outcome.value)),
}
