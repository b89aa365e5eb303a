"""Quantiles, shares and moments of runs drawn again, against samples that are put together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feast_skew.calibration.clusters import Clusters, Floats, Weights


def put_together(values: Floats, weights: Weights) -> list[Floats]:
    return [np.repeat(values, one[:-1].astype(int), axis=0).ravel() for one in weights]


@settings(max_examples=60)
@given(
    st.integers(1, 40),
    st.sampled_from([1, 2, 63, 64, 65, 130]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_they_are_those_of_the_samples(runs: int, draws: int, digits: int | None, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.gamma(2.0, 1.0, (runs, draws))
    values = values if digits is None else values.round(digits)  # many of one value
    clusters = Clusters(values)
    for twice in (False, True):
        weights = clusters.drawn(7, random, twice=twice)
        assert (weights.sum(axis=1) == runs).all()
        samples = put_together(values, weights)
        quantiles = clusters.quantiles(weights, share)
        assert quantiles.tolist() == [np.quantile(one, share, method="higher") for one in samples]
        bounds = np.concatenate([quantiles[:5], [-1.0, 1e9]])
        expected = [np.mean(one > bound) for one, bound in zip(samples, bounds, strict=True)]
        assert clusters.beyond(weights, bounds) == pytest.approx(expected, abs=1e-12)
        means, deviations = clusters.moments(weights)
        assert means == pytest.approx([one.mean() for one in samples])
        assert deviations == pytest.approx([one.std() for one in samples], abs=1e-7)


def test_what_is_drawn_twice_varies_twice_as_much() -> None:
    random = np.random.default_rng(0)
    clusters = Clusters(random.random((30, 3)))
    first, again = (clusters.drawn(3_000, random, twice=twice) for twice in (False, True))
    assert again.mean(axis=0)[:-1] == pytest.approx(np.ones(30), abs=0.15)
    assert again[:, :-1].var() == pytest.approx(2 * first[:, :-1].var(), rel=0.05)


def test_values_far_from_zero_keep_their_deviation() -> None:
    random = np.random.default_rng(0)
    clusters = Clusters(1e8 + random.normal(size=(30, 100)))
    _, deviations = clusters.moments(clusters.drawn(50, random))
    assert deviations == pytest.approx(np.ones(50), abs=0.1)
