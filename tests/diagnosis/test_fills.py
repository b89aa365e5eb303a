"""Fills of collections and of nested values, and numbers that fall off from one to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.diagnosis.rules.constant import value_text
from tests.diagnosis.two_sides import codes, hit, of_one, only

SIZE = 4000


def _vectors(random: np.random.Generator) -> list[Any]:
    return list(random.normal(size=(SIZE, 32)))


def _filled(values: list[Any], fill: Any, share: float, random: np.random.Generator) -> list[Any]:
    chosen = hit(random, share, SIZE)
    return [fill if one else value for one, value in zip(chosen, values, strict=True)]


@pytest.mark.parametrize("share", [0.005, 0.05, 0.6])
@pytest.mark.parametrize("fill", [[0.0] * 32, []])
def test_embeddings_that_were_filled(fill: list[float], share: float) -> None:
    random = np.random.default_rng(round(share * 1000))
    values = _vectors(random)
    arrow = pa.list_(pa.float64())
    found = of_one(pa.array(values, arrow), pa.array(_filled(values, fill, share, random), arrow))
    cause = only(found, "default_fill")
    assert cause.evidence["entities"] == round(share * SIZE)
    assert len(cause.detail) < 250


def test_an_empty_list_where_offline_has_null() -> None:
    random = np.random.default_rng(3)
    values, arrow = _vectors(random), pa.list_(pa.float64())
    cause = only(
        of_one(
            pa.array(_filled(values, None, 0.3, np.random.default_rng(4)), arrow),
            pa.array(_filled(values, [], 0.3, np.random.default_rng(4)), arrow),
        ),
        "default_fill",
    )
    assert (cause.evidence["value"], cause.evidence["offline_null"]) == ([], round(0.3 * SIZE))


def test_structs_that_were_filled() -> None:
    random = np.random.default_rng(5)
    values = [{"a": int(one), "b": "x"} for one in random.integers(0, 99, SIZE)]
    found = of_one(pa.array(values), pa.array(_filled(values, {"a": -1, "b": ""}, 0.1, random)))
    assert only(found, "default_fill").evidence["value"] == '{"a":-1,"b":""}'


def test_lists_of_others_are_no_fill() -> None:
    random = np.random.default_rng(6)
    values, arrow = _vectors(random), pa.list_(pa.float64())
    others = [values[i] for i in random.permutation(SIZE)]
    assert "default_fill" not in codes(of_one(pa.array(values, arrow), pa.array(others, arrow)))


@pytest.mark.parametrize("share", [0.05, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_small_counts_of_another_making_are_no_fill(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    counts = np.where(random.random(SIZE) < 0.7, 0, random.poisson(3, SIZE))
    online = np.where(hit(random, share, SIZE), random.poisson(1, SIZE), counts)
    assert codes(of_one(counts, online)) == ["unknown"]


def test_a_fill_beside_other_errors_is_found() -> None:
    random = np.random.default_rng(7)
    counts = random.integers(0, 1000, SIZE)
    online = np.where(hit(random, 0.6, SIZE), -1, counts * 100)
    assert codes(of_one(counts, online)) == ["default_fill", "scale"]


def test_long_values_are_shortened_for_people() -> None:
    assert value_text(0.0) == "0.0"
    assert value_text("x" * 300) == "'" + "x" * 59 + "..."
