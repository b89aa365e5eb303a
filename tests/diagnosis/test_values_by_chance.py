"""Pairs that no rule on single values explains: what these rules claim of them is next to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import Cause

SIZE = 1000
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
}


def claimed(offline: np.ndarray, online: np.ndarray) -> list[Cause]:
    """Compare two columns and give the causes that rules on single values name."""
    sides = [pa.table({"id": np.arange(len(column)), "x": column}) for column in (offline, online)]
    return [cause for cause in compare(*sides, ["id"]).features[0].causes if cause.code in RULES]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_claimed_of_noise_or_of_others_values(change: str) -> None:
    found = Counter()
    for i, name in enumerate(VALUES):
        random = np.random.default_rng([i, len(change)])
        offline = VALUES[name](random)
        for cause in claimed(offline, CHANGES[change](offline, random)):
            found[name, cause.code, str(dict(cause.evidence))[:200]] = round(cause.share, 3)
    assert not found, found
