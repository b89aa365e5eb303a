"""What holds for every state: any split, any order, nothing at all, and there and back as bytes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.statistics.hashing import mix
from feast_skew.statistics.pairs import CategoryPairs, NumberPairs, Pairs
from feast_skew.statistics.profile import Profile, Sample, cut_bins, draw_sample
from feast_skew.statistics.states import number_sample
from feast_skew.statistics.states.base import State, states
from feast_skew.statistics.states.distinct import SIZE, distinct_count
from feast_skew.statistics.states.exact_sums import exact_product_sum, exact_sum
from feast_skew.statistics.states.number_sample import rank_error

EXTREMES = [0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), 2.0**53, 1e-300]
NUMBERS = st.one_of(st.none(), st.sampled_from(EXTREMES), st.floats(allow_nan=False), st.integers(-3, 3).map(float))
LABELS = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "", "null", "\U0001f600"]))


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    numeric = draw(st.booleans())
    rows = draw(st.lists(st.tuples(NUMBERS, NUMBERS) if numeric else st.tuples(LABELS, LABELS), max_size=40))
    offline, online = [row[0] for row in rows], [row[1] for row in rows]
    if not numeric:
        return CategoryPairs.of(offline, online)
    found = NumberPairs.of(offline, online)
    if draw(st.booleans()):
        return found
    rest = np.array(draw(st.lists(st.integers(-1000, 1000), min_size=len(rows), max_size=len(rows))), dtype=float)
    return NumberPairs(
        found.order, found.same, found.offline, found.online, found.known_offline, found.known_online, rest
    )


def whole(given_pairs: Pairs) -> Profile:
    sample = draw_sample(given_pairs)
    return Profile.of(given_pairs, cut_bins(sample), sample)


def in_parts(given_pairs: Pairs, places: np.ndarray, order: Sequence[int]) -> Profile:
    """Give the profile of parts that never see each other's rows, added in some order."""
    split = [given_pairs.take(np.flatnonzero(places == part)) for part in order]
    samples: list[Sample] = [draw_sample(part) for part in split]
    common: Any = samples[0]
    for sample in samples[1:]:
        common = common + sample
    bins = cut_bins(common)
    total = Profile.zero(bins)
    for part in split:
        total = total + Profile.of(part, bins)
    return total


@given(given_pairs=pairs(), parts=st.integers(1, 6), data=st.data())
def test_any_split_in_any_order_gives_the_same_bytes(given_pairs: Pairs, parts: int, data: st.DataObject) -> None:
    """To the last bit, overflow and denormals included."""
    places = data.draw(st.lists(st.integers(0, parts - 1), min_size=len(given_pairs), max_size=len(given_pairs)))
    order = data.draw(st.permutations(range(parts)))
    assert in_parts(given_pairs, np.array(places, dtype=int), order).to_bytes() == whole(given_pairs).to_bytes()


@pytest.mark.parametrize("kind", ["numbers", "zeros", "categories"])
def test_more_rows_than_a_sample_holds(kind: str) -> None:
    """The smallest hashes of all are among the smallest of the parts, and the order of the rows does not matter."""
    random, n = np.random.default_rng(0), 5 * number_sample.SIZE
    values = random.normal(size=n) if kind == "numbers" else random.integers(0, 4, n).astype(float)
    online = np.where(random.random(n) < 0.1, values + 1, values)
    every: Pairs = NumberPairs.of(values, online)
    if kind == "categories":
        every = CategoryPairs.of([f"c{v}" for v in values], [f"c{v}" for v in online])
    expected = whole(every).to_bytes()
    places = random.integers(0, 5, n)
    assert in_parts(every, places, [3, 1, 0, 4, 2]).to_bytes() == expected
    assert whole(every.take(random.permutation(n))).to_bytes() == expected


@pytest.mark.parametrize("key", states())
@given(given_pairs=pairs())
def test_nothing_added_changes_nothing_and_records_come_back(key: str, given_pairs: Pairs) -> None:
    kind = states()[key]
    if not kind.fits(given_pairs):
        return
    bins = cut_bins(draw_sample(given_pairs))
    one = kind.of(given_pairs, bins)
    assert one + kind.zero(bins) == one == kind.zero(bins) + one
    assert kind.of(given_pairs.take(np.zeros(0, dtype=int)), bins) == kind.zero(bins)
    assert kind.from_record(one.to_record()) == one
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.rows = 1  # type: ignore[attr-defined]
    record = one.to_record()
    with pytest.raises(ValueError, match="has the fields"):
        kind.from_record({**record, "new": 1})


def test_a_state_with_rounded_sums_would_be_noticed() -> None:
    """The law has teeth: sums of doubles depend on the order."""
    values = np.array([1e16, 1.0, -1e16, 1.0])
    assert float(np.sum(values[:2])) + float(np.sum(values[2:])) != 2.0
    assert exact_sum(values[:2]) + exact_sum(values[2:]) == 2


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60), st.integers(1, 300))
def test_sums_are_exact(values: list[float], copies: int) -> None:
    one = np.array(values * copies)
    other = one[::-1].copy()
    assert exact_sum(one) == sum(map(Fraction, values), Fraction(0)) * copies
    products = sum((Fraction(a) * Fraction(b) for a, b in zip(one.tolist(), other.tolist(), strict=True)), Fraction(0))
    assert exact_product_sum(one, other) == products


def test_bytes_that_cannot_be_read_say_why() -> None:
    content = whole(NumberPairs.of([1.0, 2.0], [1.0, None])).to_bytes()
    assert Profile.from_bytes(content).to_bytes() == content
    for damaged, text in (
        (b"something else", "no profile"),
        (content.replace(b"profile 1", b"profile 2", 1), "version 2 cannot be read"),
        (content[:-5], "damaged"),
        (content[:30] + b"\x00" + content[31:], "damaged"),
    ):
        with pytest.raises(ValueError, match=text):
            Profile.from_bytes(damaged)


def test_profiles_of_different_bins_are_not_added() -> None:
    with pytest.raises(ValueError, match="different bins"):
        whole(NumberPairs.of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])) + whole(NumberPairs.of([7.0], [7.0]))


def test_every_state_is_frozen_and_has_an_identity() -> None:
    for kind in states().values():
        assert issubclass(kind, State)
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_distinct_values_are_exact_up_to_the_limit_and_bounded_beyond() -> None:
    """Bounds of 99.9 % hold in all of 200 draws but for one or two, and are not so wide that they say nothing."""
    for n in (0, 1, SIZE - 1):
        assert distinct_count(np.sort(mix(np.arange(n)))).value == n
    missed = 0
    for seed in range(200):
        found = distinct_count(np.sort(mix(np.arange(50_000), seed))[:SIZE])
        missed += not found.low <= 50_000 <= found.high
        assert found.high - found.low < 0.15 * 50_000
    assert missed <= 2


def test_quantiles_of_a_sample_lie_within_their_bound_and_not_at_no_distance() -> None:
    """Every threshold at once: the largest error in rank, over samples of 60,000 rows."""
    n, errors = 60_000, []
    for seed in range(20):
        values = np.random.default_rng(seed).lognormal(size=n)
        sample = number_sample.NumberSample.of(NumberPairs.of(values, values, mix(np.arange(n), seed)))
        inside = np.searchsorted(np.sort(values), np.sort(sample.offline), side="right") / n
        errors.append(float(np.max(np.abs(inside - np.arange(1, sample.offline.size + 1) / sample.offline.size))))
    assert 0.0 < max(errors) <= rank_error(n)
    assert rank_error(number_sample.SIZE) == 0.0


def test_bins_of_a_column_of_mostly_zeros() -> None:
    """The zero is a bin of its own, the rest has quantiles, null and unseen are bins."""
    random = np.random.default_rng(0)
    values = np.where(random.random(5_000) < 0.7, 0.0, random.exponential(10, 5_000))
    found = whole(NumberPairs.of(values, values))
    assert "= 0" in found.bins.labels
    assert found.bins.labels[-1] == "null"
    assert len(found.bins.labels) >= 8
    assert "unseen" in whole(CategoryPairs.of(["a"], ["b"])).bins.labels
