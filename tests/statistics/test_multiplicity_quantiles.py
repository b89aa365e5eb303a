"""Adjusted p-values against scipy and statsmodels; quantiles against sorted lists."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.quantiles import quantile_table


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_equal_scipy_and_statsmodels(p):
    found = benjamini_hochberg(p)
    assert found == pytest.approx(list(false_discovery_control(p)), rel=1e-12, abs=1e-300)
    assert found == pytest.approx(list(multipletests(p, method="fdr_bh")[1]), rel=1e-9, abs=1e-300)
    assert all(a >= b for a, b in zip(found, p, strict=True))


def test_adjusting_nothing_and_nonsense():
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([0.2]) == [0.2]
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            benjamini_hochberg([0.5, bad])


def quantile_oracle(values, p):
    ordered = sorted(values)
    at = (len(ordered) - 1) * p
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quantiles_equal_interpolation_in_the_sorted_list(values):
    table = quantile_table(np.array(values))
    assert list(table) == ["p1", "p5", "p25", "p50", "p75", "p95", "p99"]
    for name, found in table.items():
        expected = quantile_oracle(values, float(name[1:]) / 100)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_quantiles_of_nothing_of_one_and_of_the_largest_numbers():
    assert quantile_table([]) is None
    assert quantile_table([math.nan, math.inf]) is None
    assert set(quantile_table([4.5, math.nan]).values()) == {4.5}
    assert quantile_table([-1.7e308, 1.7e308])["p50"] == pytest.approx(0, abs=1e292)
    assert quantile_table([5e-324] * 3)["p50"] == 5e-324
    assert list(quantile_table([1.0], probs=(0.001, 0.999))) == ["p0.1", "p99.9"]
    with pytest.raises(ValueError, match="probabilities"):
        quantile_table([1.0], probs=(50,))
