"""PSI against published numbers, closed forms, scipy, and simulated noise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import chi2, norm

from feast_skew.statistics.psi import auto_limit, independent_psi, paired_psi

DEEQU_OFFLINE = [428, 425, 414, 427, 440, 447, 380, 386, 444, 386]
DEEQU_ONLINE = [426, 437, 429, 391, 469, 433, 360, 443, 371, 418]


def test_published_value_of_deequ():
    found = independent_psi(DEEQU_OFFLINE, DEEQU_ONLINE, smoothing=0)
    assert found.value == pytest.approx(0.007406694184014186, rel=1e-12)
    assert (found.bins, found.n, found.m, found.empty) == (10, 4177, 4177, 0)
    assert found.noise == pytest.approx(9 * 2 / 4177)


def test_published_value_of_feature_engine():
    counts = ([5, 5, 5, 0, 0, 0], [0, 0, 0, 5, 5, 5])
    floored = [np.where(np.array(c) == 0, 1e-4, np.array(c) / 15) for c in counts]
    p, q = floored
    raw = float(np.sum((p - q) * np.log(p / q)))
    assert raw > 0  # the floor is theirs: with it the value depends on the floor alone
    smoothed = independent_psi(*counts)
    assert smoothed.value == pytest.approx(6 * (5 / 18) * math.log(11))
    assert smoothed.empty == 6


def test_by_hand_with_a_half_in_every_bin():
    found = independent_psi([3, 1], [2, 2])
    assert found.value == pytest.approx((0.7 - 0.5) * math.log(0.7 / 0.5) * 1 + (0.3 - 0.5) * math.log(0.3 / 0.5))


def jeffreys_of_normals(shift, ratio):
    return 0.5 * (ratio + 1 / ratio - 2 + shift**2 * (1 + 1 / ratio))


@pytest.mark.parametrize(("shift", "ratio"), [(0.3, 1.0), (0.0, 1.86), (0.5, 0.7)])
def test_many_bins_approach_the_divergence_of_two_normals(shift, ratio):
    edges = norm.ppf(np.linspace(0, 1, 5001))
    p = np.diff(norm.cdf(edges)) * 1e9
    q = np.diff(norm.cdf(edges, shift, math.sqrt(ratio))) * 1e9
    assert independent_psi(p, q).value == pytest.approx(jeffreys_of_normals(shift, ratio), rel=0.02)


@pytest.mark.parametrize(
    ("shift", "ratio", "expected"),
    [(0.1, 1, 0.0096), (0.2, 1, 0.0383), (0.3, 1, 0.0861), (0.5, 1, 0.2377), (0, 1.3, 0.0229),
     (0, 1.86, 0.1185), (0, 2.5, 0.2409), (0, 4.286, 0.5315)],
)  # fmt: skip
def test_deciles_of_shifted_and_stretched_normals(shift, ratio, expected):
    edges = norm.ppf(np.linspace(0, 1, 11))
    q = np.diff(norm.cdf(edges, shift, math.sqrt(ratio))) * 1e9
    assert independent_psi(np.full(10, 1e8), q).value == pytest.approx(expected, abs=6e-5)


BINS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60)


@given(BINS)
def test_paired_value_is_the_symmetric_divergence_of_the_smoothed_shares(pairs):
    offline, online = (list(side) for side in zip(*pairs, strict=True))
    found = paired_psi(offline, online, 6)
    used = sorted({*offline, *online})
    p = np.array([offline.count(b) + 0.5 for b in used])
    q = np.array([online.count(b) + 0.5 for b in used])
    p, q = p / p.sum(), q / q.sum()
    assert found.value == pytest.approx(float(np.sum(rel_entr(p, q) + rel_entr(q, p))), abs=1e-12)
    assert found.bins == len(used)
    assert found.empty == sum((b in offline) != (b in online) for b in used)
    same = independent_psi(np.bincount(offline, minlength=6), np.bincount(online, minlength=6))
    assert found.value == pytest.approx(same.value)


@given(BINS)
def test_noise_counts_the_pairs_that_change_their_bin(pairs):
    offline, online = (list(side) for side in zip(*pairs, strict=True))
    found = paired_psi(offline, online, 6)
    used = sorted({*offline, *online})
    total = len(pairs) + 0.5 * len(used)
    noise = 0.0
    for b in used:
        moved = sum((x == b) != (y == b) for x, y in pairs)
        share = ((offline.count(b) + online.count(b)) / 2 + 0.5) / total
        noise += moved / (total**2 * share)
    assert found.noise == pytest.approx(noise)
    assert 0 <= found.freedom <= found.bins - 1 + 1e-9
    back = paired_psi(online, offline, 6)
    assert (back.value, back.noise) == (pytest.approx(found.value), pytest.approx(found.noise))


def test_identical_pairs_have_neither_value_nor_noise():
    ids = np.random.default_rng(0).integers(0, 10, 500)
    found = paired_psi(ids, ids, 11)
    assert (found.value, found.noise, found.freedom, found.bins) == (0, 0, 0, 10)
    assert auto_limit(found.noise, found.bins, 0.95) == 0


def moving_pairs(rng, n, how):
    """Pairs with the same law on both sides: exchanged at random, so margins are truly equal."""
    x = rng.normal(size=n)
    if how == "close":
        y = x + 0.0
        x, y = x + rng.normal(0, 0.2, n), y + rng.normal(0, 0.2, n)
    elif how == "apart":
        y = rng.normal(size=n)
    else:
        x = rng.integers(0, 10, n).astype(float)
        y = np.where((x < 2) & (rng.random(n) < 0.3), 1 - x, x)
        return x.astype(int), y.astype(int)
    edges = norm.ppf(np.arange(1, 10) / 10, scale=math.sqrt(1.04) if how == "close" else 1)
    return np.searchsorted(edges, x), np.searchsorted(edges, y)


@pytest.mark.parametrize("how", ["close", "apart", "two bins"])
def test_noise_is_the_mean_and_the_limit_the_quantile_of_psi_without_skew(how):
    rng = np.random.default_rng(7)
    found = [paired_psi(*moving_pairs(rng, 2000, how), 10) for _ in range(1500)]
    assert np.mean([f.value for f in found]) == pytest.approx(np.mean([f.noise for f in found]), rel=0.06)
    beyond = [f.value > auto_limit(f.noise, f.bins, 0.95, f.freedom) for f in found]
    assert 0.03 <= np.mean(beyond) <= 0.07


def test_the_limit_for_independent_samples_is_yurdakuls():
    found = independent_psi([100] * 10, [100] * 10)
    assert auto_limit(found.noise, 10, 0.999) == pytest.approx(chi2.ppf(0.999, 9) * 2 / 1000)
    assert auto_limit(0.1, 1, 0.95) == 0


def test_empty_and_infinite_are_none():
    assert paired_psi([], [], 4) is None
    assert paired_psi([0, 0], [0, 1], 2, smoothing=0) is None
    assert independent_psi([0, 0], [1, 2]) is None
    assert independent_psi([1, 2], [0, 0]) is None
    assert independent_psi([], []) is None
    assert independent_psi([1, 0], [1, 1], smoothing=0) is None
    assert paired_psi([1], [1], 4).value == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: paired_psi([0], [0, 1], 2),
        lambda: paired_psi([0], [2], 2),
        lambda: paired_psi([-1], [0], 2),
        lambda: paired_psi([0], [0], 2, smoothing=-1),
        lambda: independent_psi([1], [1, 2]),
        lambda: independent_psi([-1], [1]),
        lambda: auto_limit(-1.0, 4, 0.95),
        lambda: auto_limit(1.0, 4, 1.0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError, match=r"must|need"):
        call()
