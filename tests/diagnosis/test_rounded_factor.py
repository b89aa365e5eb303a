"""A factor whose products were rounded, as prices in another currency are; and nothing that merely lies near."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feast_skew import compare
from feast_skew.diagnosis.formulas.rounded_factor import rounded_factor

SIZE = 3000


def prices(seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).lognormal(3, 0.5, SIZE), 2)


def first(offline: np.ndarray, online: np.ndarray):
    sides = [pd.DataFrame({"id": range(len(side)), "x": side}) for side in (offline, online)]
    return compare(*sides, ["id"]).features[0].causes[0]


@pytest.mark.parametrize("factor", [1.19, 1.0837, 0.5, 0.3, 2.0, 1.609344, 117.0])
@pytest.mark.parametrize("share", [0.05, 1.0])
def test_the_factor_is_exact_with_few_digits(factor: float, share: float) -> None:
    offline = prices(1)
    few = np.random.default_rng(2).random(SIZE) < share
    cause = first(offline, np.where(few, np.round(offline * factor, 2), offline))
    assert cause.code == "scale"
    assert cause.evidence["factor"] == pytest.approx(factor, abs=1e-9, rel=5e-5)
    assert cause.share >= 0.99
    if share == 1.0:
        assert cause.evidence["factor"] == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_no_factor(seed: int) -> None:
    random, offline = np.random.default_rng(seed), prices(seed)
    for online in (
        np.round(offline * random.uniform(0.9, 1.1, SIZE), 2),
        np.round(offline + random.normal(0, 2, SIZE), 2),
        np.round(random.permutation(offline), 2),
        np.round(offline**1.1, 2),
    ):
        usable = (online > 0) & (online != offline)
        assert rounded_factor(offline[usable], online[usable]) is None


def test_of_few_and_of_unrounded_numbers() -> None:
    offline = prices(0)
    assert rounded_factor(offline[:5], np.round(offline[:5] * 1.19, 2)) is None
    assert rounded_factor(np.empty(0), np.empty(0)) is None
    assert rounded_factor(offline, offline * np.pi) is None
    assert rounded_factor(offline, np.round(offline, 1)) is None
