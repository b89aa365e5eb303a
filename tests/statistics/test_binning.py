"""Shared bins: every value has exactly one, heavy values their own, noise in the last digit none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.statistics.binning import category_bins, numeric_bins

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def oracle(bins, value):
    """Find the bin of one value by reading the labels' meaning."""
    if math.isnan(value):
        return bins.null_id
    for k, atom in enumerate(bins.atoms):
        if abs(value - atom) <= bins.atol + bins.rtol * abs(atom):
            return len(bins.edges) + 1 + k
    return sum(value > edge for edge in bins.edges)


@given(st.lists(FINITE, max_size=60), st.lists(st.floats(), max_size=30), st.integers(1, 12))
def test_every_value_has_the_bin_that_the_edges_say(offline, online, wanted):
    bins = numeric_bins(np.array(offline), wanted, rtol=0, atol=0)
    ids = bins.assign(np.array(online + offline))
    assert list(ids) == [oracle(bins, v) for v in online + offline]
    assert len(bins.labels) == bins.size
    assert list(bins.edges) == sorted(set(bins.edges))
    assert bins.size <= max(wanted, len(bins.atoms) + 1) + 1


@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.randoms())
def test_order_of_rows_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert numeric_bins(values) == numeric_bins(shuffled)
    assert category_bins(values).categories == category_bins(shuffled).categories


def test_seventy_percent_zeros_get_their_own_bin_and_the_rest_quantiles():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(10_000) < 0.7, 0.0, rng.exponential(5, 10_000))
    bins = numeric_bins(values)
    counts = np.bincount(bins.assign(values), minlength=bins.size)
    assert bins.atoms == (0.0,)
    assert len(bins.edges) == 8
    assert counts[bins.null_id - 1] == np.sum(values == 0)
    assert counts[:9].min() > 0.95 * counts[:9].max()
    assert bins.labels[-2:] == ("= 0", "null")


def test_deciles_of_a_continuous_column_are_equally_full():
    values = np.random.default_rng(2).normal(size=5000)
    bins = numeric_bins(values)
    assert list(np.bincount(bins.assign(values))) == [500] * 10


def test_labels_tell_neighbours_apart():
    bins = numeric_bins([2.0**53 + 2 * i for i in range(200)])
    assert len(set(bins.labels)) == bins.size
    assert "9007199254741" in bins.labels[1]


def test_constant_single_and_empty_columns():
    for values in ([3.5] * 7, [3.5]):
        bins = numeric_bins(values)
        assert (bins.edges, bins.atoms, bins.size) == ((), (3.5,), 3)
        assert list(bins.assign([3.5, 3.6, -math.inf, math.nan])) == [1, 0, 0, 2]
        assert bins.labels == ("other", "= 3.5", "null")
    bins = numeric_bins([])
    assert (bins.size, bins.labels) == (2, ("all", "null"))
    assert list(bins.assign([1.0, math.inf])) == [0, 0]
    assert list(bins.assign([])) == []
    assert len(numeric_bins([1.0, 2.0, 3.0]).edges) == 2


def test_a_mask_makes_nulls_and_infinities_go_to_the_ends():
    bins = numeric_bins(np.arange(100.0))
    ids = bins.assign([-math.inf, math.inf, 50.0], np.array([True, True, False]))
    assert list(ids) == [0, 9, bins.null_id]


def test_noise_in_the_last_digits_moves_no_value_to_another_bin():
    values = np.repeat([0.1, 0.2, 0.3, 7.0], [500, 30, 30, 40])
    bins = numeric_bins(values)
    assert list(bins.assign(np.nextafter(values, np.inf))) == list(bins.assign(values))
    assert list(bins.assign(np.nextafter(values, -np.inf))) == list(bins.assign(values))


def test_neighbouring_floats_and_the_largest_ones_are_told_apart():
    near = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert list(numeric_bins(near, rtol=0, atol=0).assign(near)) == [0, 1]
    far = np.array([-1.7e308, 1.7e308])
    assert list(numeric_bins(far).assign(far)) == [0, 1]


def test_categories_by_frequency_then_text_with_other_unseen_and_null():
    offline = ["b"] * 3 + ["a"] * 3 + ["c"] * 5 + ["d", "e", None]
    bins = category_bins(offline, wanted=3)
    assert bins.categories == ("c", "a", "b")
    assert bins.labels == ("= c", "= a", "= b", "other", "unseen", "null")
    ids = bins.assign(["a", "d", "zzz", None, "c"], np.array([True, True, True, True, False]))
    assert list(ids) == [1, bins.other_id, bins.unseen_id, bins.null_id, bins.null_id]


def test_categories_of_any_kind():
    mixed = np.array([True, "x", 3, b"k", None, math.nan], dtype=object)
    bins = category_bins(mixed)
    assert bins.size == 4 + 3
    assert list(bins.assign(mixed))[-2:] == [bins.null_id, bins.null_id]
    lists = [[1, 2], np.array([1, 2]), (1, 2), {"a": [1]}, {1, 2}]
    assert list(category_bins(lists).assign(lists)[:3]) == [0, 0, 0]
    assert list(category_bins([]).assign(["x", None])) == [1, 2]
    assert list(category_bins(["x"]).assign([])) == []
    assert list(category_bins(np.array(["u", "v", "v"])).assign(["v"])) == [0]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="finite"):
        numeric_bins([1.0, math.nan])
    for cut in (numeric_bins, category_bins):
        with pytest.raises(ValueError, match="wanted"):
            cut([1.0], wanted=0)
