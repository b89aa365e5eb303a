"""Pairs that no rule on single values explains: what these rules claim of them is next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import Cause

SIZE = 600
Random = np.random.Generator
Draw = Callable[[Random], np.ndarray]
RULES = ("sign", "constant", "precision", "transform", "timezone", "offset", "scale", "default_fill")

VALUES: Mapping[str, Draw] = {
    "normal": lambda g: g.normal(50, 10, SIZE),
    "around zero": lambda g: g.normal(0, 1, SIZE),
    "amounts": lambda g: g.lognormal(3, 1, SIZE),
    "cents": lambda g: np.round(g.lognormal(3, 1, SIZE), 2),
    "tenths": lambda g: np.round(g.gamma(2, 3, SIZE), 1),
    "shares": lambda g: g.beta(2, 5, SIZE),
    "heavy tails": lambda g: g.standard_cauchy(SIZE),
    "very heavy tails": lambda g: np.exp(4 * g.normal(0, 1, SIZE)),
    "small counts": lambda g: g.poisson(2, SIZE).astype(float),
    "counts": lambda g: g.poisson(40, SIZE).astype(float),
    "large counts": lambda g: g.poisson(3000, SIZE).astype(float),
    "signed counts": lambda g: g.integers(-5, 6, SIZE).astype(float),
    "ratings": lambda g: g.integers(1, 11, SIZE) / 2,
    "means of few": lambda g: g.integers(0, 60, SIZE) / g.integers(1, 8, SIZE),
    "mostly zero": lambda g: g.lognormal(1, 1, SIZE) * (g.random(SIZE) < 0.3),
    "powers of two": lambda g: 2.0 ** g.integers(-3, 12, SIZE),
    "single precision": lambda g: g.normal(50, 10, SIZE).astype(np.float32).astype(float),
}


def usual(values: np.ndarray) -> float:
    return float(np.subtract(*np.quantile(values, (0.75, 0.25)))) or float(np.std(values)) or 1.0


CHANGES: Mapping[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    "a little noise": lambda x, g: x * (1 + g.normal(0, 1e-6, SIZE)),
    "noise": lambda x, g: x + g.normal(0, 0.05, SIZE) * usual(x),
    "much noise": lambda x, g: x + g.normal(0, 1, SIZE) * usual(x),
    "noise that grows": lambda x, g: x * np.exp(g.normal(0, 0.3, SIZE)),
    "noise with a bias": lambda x, g: x * 1.1 + usual(x) * g.gamma(2, 0.2, SIZE),
    "noise with few digits": lambda x, g: x + np.round(g.normal(0, 0.5, SIZE), 1),
    "one more or less": lambda x, g: x + g.integers(-1, 2, SIZE),
    "some less": lambda x, g: x - g.integers(0, 3, SIZE),
    "permuted": lambda x, g: g.permutation(x),
    "drawn anew": lambda x, g: g.choice(x, SIZE),
    "the mean of two": lambda x, g: (x + g.permutation(x)) / 2,
    "a noisy logarithm": lambda x, g: np.log1p(np.abs(x)) * (1 + g.normal(0, 0.01, SIZE)),
    "the rest of a sum": lambda x, g: x - g.random(SIZE) * x,
    "noise in single precision": lambda x, g: (x * (1 + g.normal(0, 1e-3, SIZE))).astype(np.float32).astype(float),
    "noise in half precision": lambda x, g: half(x * (1 + g.normal(0, 1e-2, SIZE))),
    "noise of two decimals": lambda x, g: np.round(x + g.normal(0, 0.05, SIZE), 2),
    "noise of whole numbers": lambda x, g: np.round(x + g.normal(0, 1, SIZE)),
    "noise of tens": lambda x, g: 10 * np.round((x + g.normal(0, 10, SIZE)) / 10),
    "noise below zero": lambda x, g: g.normal(0, 0.1, SIZE) - x,
    "noise above a limit": lambda x, g: np.minimum(x, np.median(x)) + g.normal(0, 0.1, SIZE),
    "little noise for some": lambda x, g: np.where(g.random(SIZE) < 0.05, x * (1 + g.normal(0, 1e-6, SIZE)), x),
    "more for some": lambda x, g: np.where(g.random(SIZE) < 0.05, x + g.integers(1, 4, SIZE), x),
    "the larger of two": lambda x, g: np.maximum(x, g.permutation(x)),
    "the smaller of two": lambda x, g: np.minimum(x, g.permutation(x)),
    "some multiple": lambda x, g: x * g.integers(1, 6, SIZE),
    "some part": lambda x, g: x / g.integers(1, 6, SIZE),
    "a neighbour's": lambda x, g: np.sort(x)[np.clip(np.argsort(np.argsort(x)) + g.integers(-2, 3, SIZE), 0, SIZE - 1)],
}
TRUE = {("mostly zero", "the mean of two", "scale")}
"""Half of it, where the other of the two is zero."""

TRANSFORMS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "log1p": lambda x: np.log1p(np.abs(x)),
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "square": np.square,
    "standardise": lambda x: (x - x.mean()) / x.std(),
    "round": lambda x: 5 * np.rint(x / 5),
    "times": lambda x: x * 60,
    "plus": lambda x: x + 3.5,
    "float16": lambda x: half(x),  # noqa: PLW0108  it stands below
    "sign": lambda x: -x,
    "tanh": np.tanh,
}


def half(values: np.ndarray) -> np.ndarray:
    """Give what half precision keeps of numbers that it can hold."""
    return np.clip(values, -6e4, 6e4).astype(np.float16).astype(float)


def claimed(offline: np.ndarray, online: np.ndarray) -> list[Cause]:
    """Compare two columns and give the causes that rules on single values name."""
    sides = [pa.table({"id": np.arange(len(column)), "x": column}) for column in (offline, online)]
    return [cause for cause in compare(*sides, ["id"]).features[0].causes if cause.code in RULES]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_claimed_of_noise_or_of_others_values(change: str) -> None:
    for i, name in enumerate(VALUES):
        if (i + list(CHANGES).index(change)) % 2:
            continue  # 216 cases in all
        random = np.random.default_rng([i, len(change)])
        offline = VALUES[name](random)
        causes = claimed(offline, CHANGES[change](offline, random))
        assert not [one for one in causes if (name, change, one.code) not in TRUE and one.share > 0.05], name


@pytest.mark.parametrize("seed", range(3))
def test_of_a_mixture_no_part_is_claimed_twice(seed: int) -> None:
    """Three functions for a third of the entities each: no rule claims more than one of them, and no part that is noise."""
    random = np.random.default_rng(seed)
    for name in ("normal", "amounts", "counts", "shares", "heavy tails", "means of few"):
        offline = VALUES[name](random)
        part = random.integers(0, 4, SIZE)
        chosen = random.choice(list(TRANSFORMS), 3, replace=False)
        parts = [TRANSFORMS[one](offline) for one in chosen]
        noise = offline + random.normal(0, 1, SIZE) * usual(offline)
        online = np.select([part == i for i in range(3)], parts, noise)
        causes = claimed(offline, online)
        wrong = np.count_nonzero(~np.isclose(offline, online, rtol=1e-9, atol=1e-12))
        largest = max(np.count_nonzero(part == i) for i in range(3))
        for cause in causes:
            assert cause.share <= 1.1 * largest / wrong + 0.02, (name, chosen, cause)


def test_values_that_lag_are_no_function_of_the_present_ones() -> None:
    """A counter that goes up by some each day, a balance, a mean: the value of a week before."""
    for seed in range(3):
        random = np.random.default_rng(seed)
        start = random.poisson(40, SIZE).astype(float)
        for step in (random.integers(0, 3, SIZE), random.normal(0, 5, SIZE), np.round(random.normal(0, 5, SIZE), 2)):
            assert not claimed(start + step, start), seed
