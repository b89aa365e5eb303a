"""The most frequent pairs of a sample of categories: the same as counted one by one, however many categories there are."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest

from feast_skew.statistics.states.category_sample import CategorySample

MOST_BYTES = 50 * 2**20


@pytest.mark.parametrize("labels", [0, 1, 7, 300, 10_000])
def test_the_most_frequent_pairs(labels: int) -> None:
    """Ten thousand labels have a hundred million pairs; only those that are there take room."""
    random = np.random.default_rng(labels)
    names = tuple(f"c{i}" for i in range(labels))
    offline, online = random.integers(-1, max(1, labels), (2, 10_000)) if labels else np.full((2, 10_000), -1)
    state = CategorySample(10_000, np.arange(10_000, dtype=np.uint64), offline, online, names)
    tracemalloc.start()
    found = state.top_pairs(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = [*names, None]
    counted = Counter((text[a], text[b]) for a, b in zip(offline, online, strict=True))
    expected = sorted(((a, b, n) for (a, b), n in counted.items()), key=lambda e: (-e[2], str(e[0]), str(e[1])))[:10]
    assert found == expected
    assert peak < MOST_BYTES


def test_no_pairs() -> None:
    assert CategorySample().top_pairs(10) == []
