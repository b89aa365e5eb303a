"""Fractions of small whole numbers, told from other doubles."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.diagnosis.formulas.fractions import denominators


@given(st.lists(st.tuples(st.integers(-(10**5), 10**5), st.integers(1, 300)), max_size=20))
def test_every_fraction_is_found_in_lowest_terms(pairs: list[tuple[int, int]]) -> None:
    values = np.array([above / below for above, below in pairs], dtype=np.float64)
    expected = [Fraction(above, below).denominator for above, below in pairs]
    assert denominators(values, 1e-12).tolist() == expected


def test_means_of_whole_numbers_and_of_cents() -> None:
    random = np.random.default_rng(0)
    for scale in (1, 100):
        counts = random.integers(1, 40, 500)
        values = np.array([float(np.mean(random.integers(0, 5000, n) / scale)) for n in counts])
        found = denominators(values, 1e-12)
        assert np.all(found > 0)
        assert np.all((counts * scale) % found == 0)


@pytest.mark.parametrize(("kind", "rtol"), [(np.float64, 1e-12), (np.float32, 2.0**-22)])
@pytest.mark.parametrize("size", [0.01, 1.0, 50.0, 1e6, 1e12])
def test_random_numbers_are_none(kind: type, rtol: float, size: float) -> None:
    values = np.random.default_rng(1).normal(0, size, 5000).astype(kind).astype(np.float64)
    whole = values == np.rint(values)
    assert np.count_nonzero(denominators(values[~whole], rtol)) <= 0.03 * len(values)


def test_of_nothing_and_of_extremes() -> None:
    assert denominators(np.empty(0), 1e-12).tolist() == []
    assert denominators(np.array([0.0, -0.0, 1.0, -0.5, 1e308, 5e-324]), 1e-12)[:4].tolist() == [1, 1, 1, 2]
