"""Several runs taken together: their states are added, and no data is read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from feast_skew.judging.bounds import bounds_of
from feast_skew.report import Metric
from feast_skew.statistics.metrics.base import Measured, metrics, state_of
from feast_skew.statistics.profile import Profile, cut_bins
from feast_skew.statistics.states.category_sample import CategorySample
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.number_sample import NumberSample
from feast_skew.statistics.states.paired_bins import PairedBins

_SHOWN = ("psi", "mean_difference", "variance_ratio", "null_rate_difference")


@dataclass(frozen=True)
class Merged:
    """A feature over several runs: `rows` pairs, of which `wrong` differ, and metrics of all of them with bounds."""

    rows: int
    wrong: int
    metrics: dict[str, Metric]


def merge(profiles: Sequence[Profile], kept: int) -> Profile:
    """Add the profiles of several runs, of at least one.

    Counts and sums are exact. Runs cut their bins from their own values: where these are not the same in all runs, the bins are cut
    again, and filled with the pairs that were kept of each run.

    Parameters
    ----------
    profiles : sequence of Profile
        Of one feature.
    kept : int
        Pairs that each run kept at most; the merged sample has as many, so that it is a random one of all rows.

    Raises
    ------
    ValueError
        When some are of numbers and some of categories: the feature's type changed in between.
    """
    if len({profile.kind for profile in profiles}) > 1:
        raise ValueError("the feature had another type in some of the runs")
    shared = set.intersection(*(set(profile.states) for profile in profiles))
    same_bins = all(profile.bins == profiles[0].bins for profile in profiles)
    keys = [key for key in profiles[0].states if key in shared and (same_bins or key != PairedBins.key)]
    states = {key: reduce(add, [profile.states[key] for profile in profiles]).thinned(kept) for key in keys}
    found = {key: state for key, state in states.items() if state is not None}
    bins = profiles[0].bins
    if not same_bins:
        key = NumberSample.key if profiles[0].kind == "numeric" else CategorySample.key
        sample = found[key]
        assert isinstance(sample, (NumberSample, CategorySample))  # noqa: S101  for the type checker
        bins = cut_bins(sample)
        found[PairedBins.key] = PairedBins.of(sample.pairs(), bins)
    return Profile(bins, dict(sorted(found.items())))


def describe_merged(profile: Profile, confidence: float) -> Merged:
    """Give the metrics of merged runs whose states are there, each bound at the given confidence."""
    counts = state_of(profile, Counts)
    found: dict[str, Metric] = {}
    for key in _SHOWN:
        definition = metrics()[key]
        if not definition.fits(profile):
            continue
        outcome = definition.compute(profile)
        if isinstance(outcome, Measured):
            bounds = bounds_of(key, profile, confidence, counts.rows)
            noise = {name: outcome.extra[name] for name in ("noise", "n") if name in outcome.extra}
            found[key] = replace(Metric(outcome.value, bounds.low, bounds.high), extra=noise)
    return Merged(counts.rows, counts.rows - counts.match - counts.null_both, found)
