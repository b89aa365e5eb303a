"""Timestamps that were cut or read in another unit, and factors below zero."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.diagnosis.two_sides import codes, hit, of_one, only

SIZE = 4000
SHARES = [0.005, 0.05, 1.0]


def _instants(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds, pa.timestamp("s", "UTC"))


def _drawn(share: float) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    random = np.random.default_rng(round(share * 1000))
    return random, random.integers(1_600_000_000, 1_700_000_000, SIZE), hit(random, share, SIZE)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("quantum", "name"), [(60, "minute"), (3600, "hour"), (86400, "day")])
def test_instants_cut_to_a_unit(quantum: int, name: str, share: float) -> None:
    _, seconds, chosen = _drawn(share)
    cause = only(
        of_one(_instants(seconds), _instants(np.where(chosen, seconds // quantum * quantum, seconds))), "transform"
    )
    assert cause.evidence["name"] == "round"
    assert cause.evidence["parameters"] == {"quantum": float(quantum), "how": "truncated"}
    assert cause.detail.startswith(f"online is x truncated to the {name}, x being offline, for 100.0%")


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_instants_read_in_another_unit(factor: float, share: float) -> None:
    _, seconds, chosen = _drawn(share)
    changed = seconds * 1000 if factor > 1 else seconds // 1000
    cause = only(of_one(_instants(seconds), _instants(np.where(chosen, changed, seconds))), "scale")
    assert (cause.evidence["factor"], cause.evidence["unit"]) == (factor, "seconds and milliseconds")


@pytest.mark.parametrize("share", SHARES)
def test_other_instants_are_neither(share: float) -> None:
    random, seconds, chosen = _drawn(share)
    for changed in (
        seconds + random.integers(-5000, 5000, SIZE),
        random.integers(1_600_000_000, 1_700_000_000, SIZE),
        seconds // 3600 * 3600 + random.integers(-3, 4, SIZE) * 3600,
    ):
        assert codes(of_one(_instants(seconds), _instants(np.where(chosen, changed, seconds)))) == ["unknown"]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("factor", [-100.0, -2.5])
def test_factors_below_zero(factor: float, share: float) -> None:
    random, _, chosen = _drawn(share)
    for values in (random.lognormal(3, 1, SIZE), random.normal(0, 50, SIZE)):
        cause = only(of_one(values, np.where(chosen, values * factor, values)), "scale")
        assert cause.evidence["factor"] == factor


def test_small_signed_numbers_have_no_factor() -> None:
    random = np.random.default_rng(1)
    assert codes(of_one(random.integers(-5, 6, SIZE), random.integers(-5, 6, SIZE))) == ["unknown"]
