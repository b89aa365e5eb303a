"""A small history of nights through both stores: limits hold on nights that they have not seen, and catch what a PSI of 0.2 misses.

The whole of it is `make bench-calibrate`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The zoo is a package beside the tests of other folders.
sys.path.insert(0, str(Path(__file__).parents[1]))

from zoo.nightly import WRONGS, Wrong, judged, lived


@pytest.mark.parametrize(
    ("planes", "wrongs", "held_out", "metrics"),
    [
        pytest.param(300, (Wrong("shift", 2.0), Wrong("subset", 2.0)), 3, 30, id="some"),
        pytest.param(1_000, WRONGS, 30, 45, id="all", marks=pytest.mark.slow),
    ],
)
def test_nights_that_no_limit_has_seen(planes: int, wrongs: tuple[Wrong, ...], held_out: int, metrics: int) -> None:
    found, later = lived(0, planes, wrongs=wrongs, held_out=held_out)
    kept, told = judged(found, later, 0)
    assert len(kept) >= metrics
    assert sum(one.held for one in kept) >= 0.9 * len(kept)
    missed = [one for one in told if one.above_noise and not one.human]
    assert len(missed) >= len(told) / 3
    assert sum(one.caught for one in missed) >= 0.9 * len(missed)
