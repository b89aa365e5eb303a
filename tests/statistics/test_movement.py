"""Movement: true skew between pipelines that share no instant is caught, movement alone is not."""

import importlib.util
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from feast_skew.statistics._movement_rules import share_high, share_low, slack
from feast_skew.statistics._resampling import bound, resampled_sums
from feast_skew.statistics.movement import judge_changes, judge_movement
from feast_skew.statistics.sides import Side

_spec = importlib.util.spec_from_file_location("worlds", Path(__file__).with_name("worlds.py"))
worlds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worlds)
streamed = worlds.streamed


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"shock": 20},
        {"noise": "t3", "shock": 15},
        {"noise": "pareto", "shock": 15},
        {"rate": 0.2},
        {"rate": 20, "shock": 15},
    ],
    ids=str,
)
def test_the_same_mean_streamed_after_the_nightly_row_is_never_an_alarm(kind, steps):
    found = [judge_movement(*streamed([seed, steps], 150, steps, **kind)) for seed in range(25)]
    assert [m.reason for m in found if m.verdict == "beyond"] == []
    assert sum(m.verdict == "undecided" for m in found) <= 1


SKEWS = {
    "7 days for 30": {"window": 7},
    "7 days for 30, rare events": {"window": 7, "rate": 0.2},
    "7 days for 30, heavy tails": {"window": 7, "noise": "pareto"},
    "14 days for 30": {"window": 14},
    "sum for mean": {"how": "sum"},
    "times 1000": {"change": lambda v: 1000 * v},
    "far offset": {"change": lambda v: v + 100},
    "other sign": {"change": lambda v: -v},
    "constant": {"change": lambda v: np.full_like(v, -1.0)},
    "another entity": {"change": lambda v: np.roll(v, 1)},
    "null for a third": {"change": lambda v: np.where(np.arange(v.size) % 3 == 0, np.nan, v)},
    "zero for null, rare events": {"change": np.nan_to_num, "rate": 0.03},
}


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("skew", SKEWS)
def test_true_skew_is_beyond_movement(skew, steps):
    verdicts = [judge_movement(*streamed([seed, steps], 150, steps, **SKEWS[skew])).verdict for seed in range(8)]
    assert verdicts == ["beyond"] * 8


def test_a_week_for_a_month_is_mostly_caught_through_bad_days():
    verdicts = [judge_movement(*streamed(seed, 150, 3, window=7, shock=20)).verdict for seed in range(20)]
    assert verdicts.count("beyond") >= 18


def test_all_numbers_are_told_and_agree_with_plain_loops():
    online, before, steps = streamed(11, 120, 2, noise="t3")
    found = judge_movement(online, before, steps)
    assert (found.verdict, found.entities, found.steps) == ("within", 120, 2)

    def size(new, old):
        pairs = [(a, b) for a, b in zip(new.values, old.values, strict=True) if math.isfinite(a - b)]
        moves = [abs(a - b) for a, b in pairs]
        cap = float(np.quantile([m for m in moves if m > 0], 0.98))
        return sum(min(m, cap) for m in moves) / len(moves)

    told = found.statistic("size")
    assert told.value == pytest.approx(size(online, before))
    assert told.yardstick == pytest.approx(max(size(*step) for step in steps))
    assert told.ratio == pytest.approx(told.value / told.yardstick)
    assert told.low < told.value
    assert told.yardstick < told.yardstick_high
    both = np.isfinite(online.values) & np.isfinite(before.values)
    logs = math.log(np.var(online.values[both]) / np.var(before.values[both]))
    assert found.statistic("variance").value == pytest.approx(abs(logs))
    assert {s.name for s in found.statistics} >= {"size", "both_ways", "scatter", "mean", "variance", "psi", "nulls"}
    assert found.statistic("nothing") is None


def test_the_same_seed_gives_the_same_numbers_and_another_the_same_verdict():
    case = streamed(3, 200, 3)
    assert judge_movement(*case) == judge_movement(*case)
    other = judge_movement(*case, seed=9)
    assert other != judge_movement(*case)
    assert other.verdict == "within"


@given(st.integers(-900, 900))
@settings(max_examples=15, deadline=None)
def test_the_unit_of_the_feature_does_not_matter(exponent):
    online, before, steps = streamed(5, 60, 1, window=7)

    def scaled(side):
        return Side(np.ldexp(side.values, exponent), side.valid, side.present)

    plain = judge_movement(online, before, steps, atol=0)
    there = [(scaled(new), scaled(old)) for new, old in steps]
    found = judge_movement(scaled(online), scaled(before), there, atol=0)
    assert found.verdict == plain.verdict
    assert [s.ratio for s in found.statistics] == pytest.approx([s.ratio for s in plain.statistics])


def numbers_of(movement):
    for s in movement.statistics:
        yield from (s.value, s.low, s.yardstick, s.yardstick_high, s.ratio, s.limit)


VALUES = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 1.7e308, -1.7e308, 5e-324, math.inf, math.nan]))


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=30, max_size=45))
@settings(max_examples=60, deadline=None)
def test_nothing_undefined_ever_leaves(rows):
    a, b, c = (Side.of(np.array(column)) for column in zip(*rows, strict=True))
    found = judge_movement(a, b, [(b, c)], reps=40)
    assert all(v is None or math.isfinite(v) for v in numbers_of(found))
    assert found.verdict in ("beyond", "within", "undecided")


def test_too_few_or_no_earlier_rows_are_undecided_with_the_reason():
    few = Side.of(np.arange(29.0))
    assert judge_movement(few, few, [(few, few)]).verdict == "undecided"
    assert "29 entities" in judge_movement(few, few, [(few, few)]).reason
    many = Side.of(np.arange(100.0))
    assert "no earlier rows" in judge_movement(many, many, []).reason
    absent = Side.of(np.arange(100.0), present=np.zeros(100, bool))
    assert "no earlier rows" in judge_changes(many, many, [(many, absent)]).reason
    nothing = Side.of([])
    assert judge_movement(nothing, nothing, [(nothing, nothing)]).verdict == "undecided"
    null = Side.of(np.full(100, np.nan))
    assert judge_movement(null, null, [(null, null)]).verdict == "undecided"
    assert judge_changes(null, null, [(null, null)]).verdict == "undecided"


def test_a_step_with_too_few_rows_is_left_out():
    online, before, steps = streamed(2, 100, 1)
    rows = np.arange(100) < 20
    wild = Side.of(np.where(rows, 1e9, np.nan), present=rows)
    found = judge_movement(online, before, [*steps, (wild, before)])
    assert (found.steps, found.verdict) == (1, "within")


def test_one_corrupt_row_does_not_stretch_the_yardstick():
    online, before, steps = streamed(4, 150, 1, window=7)
    old = steps[0][1].values.copy()
    old[7] = 1e12
    assert judge_movement(online, before, [(steps[0][0], Side.of(old))]).verdict == "beyond"


def test_a_feature_that_never_moves_is_beyond_when_more_than_a_few_differ():
    still = Side.of(np.arange(5000.0))

    def moved(share):
        return Side.of(np.where(np.arange(5000) < share * 5000, -1.0, still.values))

    assert judge_movement(still, still, [(still, still)] * 2).verdict == "within"
    assert judge_movement(moved(0.0002), still, [(still, still)]).verdict == "within"
    found = judge_movement(moved(0.02), still, [(still, still)])
    assert found.verdict == "beyond"
    assert found.statistic("changed").value == 0.02
    assert found.statistic("size").ratio is None
    jitter = Side.of(np.arange(5000.0) * (1 + 1e-10))
    assert judge_movement(jitter, still, [(still, still)]).verdict == "within"


def test_infinite_values_count_like_nulls():
    online, before, steps = streamed(6, 100, 1)
    infinite = Side.of(np.where(np.arange(100) < 40, np.inf, online.values))
    found = judge_movement(infinite, before, steps)
    assert (found.verdict, found.statistic("nulls").verdict) == ("beyond", "beyond")


def categories(seed, n, steps, moving, differing=0.0):
    rng = np.random.default_rng(seed)

    def later(states, share):
        return np.where(rng.random(n) < share, rng.integers(0, 6, n), states)

    nights = [rng.integers(0, 6, n)]
    for _ in range(steps):
        nights.append(later(nights[-1], moving))
    online = later(later(nights[-1], moving * rng.random()), differing)
    names = np.array(["ab", "cd", "ef", "gh", "ij", None], dtype=object)
    sides = [Side.of(names[states]) for states in reversed(nights)]
    return Side.of(names[online]), sides[0], list(pairwise(sides))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("moving", [0.0, 0.01, 0.1, 0.6])
def test_categories_that_move_as_offline_does_are_within(moving, steps):
    found = [judge_changes(*categories(seed, 300, steps, moving)) for seed in range(30)]
    assert {m.verdict for m in found} == {"within"}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("moving", [0.0, 0.01])
def test_categories_that_differ_more_are_beyond(moving, steps):
    found = [judge_changes(*categories(seed, 300, steps, moving, 0.5)) for seed in range(10)]
    assert {m.verdict for m in found} == {"beyond"}
    assert "changed" in found[0].reason or "nulls" in found[0].reason


@pytest.mark.parametrize("moving", [0.0, 0.01, 0.1, 0.3])
def test_another_spelling_is_beyond_however_lively_the_category(moving):
    online, before, steps = categories(1, 300, 3, moving)
    renamed = np.array([None if name is None else name.upper() for name in online.values], dtype=object)
    assert judge_changes(Side.of(renamed), before, steps).verdict == "beyond"


def chosen(seed, n=3000, gap=20.0, steps=6, window=30, online_window=30, how="mean"):
    """Entities with an event every `gap` days, pushed only when one happens: the rows of those that just moved."""
    rng = np.random.default_rng(seed)
    world = worlds.events(rng, n, rate=1 / gap)
    total, entity, time, _ = world
    night = worlds.NIGHT
    last = np.full(total, -1.0)
    recent = (time > night) & (time <= night + 1)
    np.maximum.at(last, entity[recent], time[recent])
    pushed = last > 0
    at = np.where(pushed, last, night)
    aggregate = worlds.aggregate if how == "mean" else counted
    online = Side.of(aggregate(world, at, online_window)[pushed])
    nights = [Side.of(aggregate(world, night - k, window)[pushed]) for k in range(steps + 1)]
    return online, nights[0], list(pairwise(nights))


def counted(world, at, days):
    n, entity, time, _ = world
    instant = np.broadcast_to(at, (n,))[entity]
    return np.bincount(entity[(time <= instant) & (time > instant - days)], minlength=n).astype(float)


@pytest.mark.parametrize("how", ["mean", "count"])
@pytest.mark.parametrize("gap", [20.0, 10.0, 5.0, 2.0, 1.0])
def test_rows_pushed_at_events_are_no_alarm_though_their_entities_were_quiet_before(gap, how):
    found = [judge_movement(*chosen(seed, gap=gap, how=how)) for seed in range(8)]
    assert [m.reason for m in found if m.verdict == "beyond"] == []


@pytest.mark.parametrize("gap", [5.0, 2.0, 1.0])
def test_a_week_for_a_month_is_beyond_also_in_rows_pushed_at_events(gap):
    found = [judge_movement(*chosen(seed, gap=gap, online_window=7)).verdict for seed in range(8)]
    assert found.count("beyond") >= 7


def test_a_small_push_is_beyond_where_nothing_else_moves_as_far():
    rng = np.random.default_rng(2)
    level = rng.normal(0, 10, 500)
    nights = [level]
    for _ in range(6):
        nights.append(nights[-1] + rng.normal(0, 0.04, 500))
    sides = [Side.of(night) for night in reversed(nights)]
    steps = list(pairwise(sides))
    assert judge_movement(Side.of(nights[-1] + rng.normal(0, 0.02, 500)), sides[0], steps).verdict == "within"
    assert judge_movement(Side.of(nights[-1] + 3.0), sides[0], steps).verdict == "beyond"


@pytest.mark.parametrize("days", [1.0, 30.0])
def test_one_value_for_everybody_is_beyond_after_few_steps(days):
    online, before, steps = streamed(4, 200, 2, window=days)
    assert judge_movement(online, before, steps).statistic("commonest").verdict == "within"
    level = float(np.nanmedian(before.values))
    found = judge_movement(Side.of(np.full(len(before.values), level)), before, steps)
    assert (found.verdict, found.statistic("commonest").value) == ("beyond", 1.0)
    few = (Side.of(side.values[:40]) for side in (before, *steps[0]))
    small, *step = few
    # Forty of one value may be chance as much as the limit of 95 % says.
    assert judge_movement(Side.of(np.full(40, level)), small, [tuple(step)]).statistic("commonest").verdict == "within"


def test_what_is_nearly_the_same_for_everybody_offline_may_be_so_online():
    rng = np.random.default_rng(3)
    nights = [(rng.random(400) < 0.02).astype(float) for _ in range(4)]
    sides = [Side.of(night) for night in nights]
    found = judge_movement(Side.of(np.zeros(400)), sides[0], list(pairwise(sides)))
    assert found.statistic("commonest").verdict == "within"


def instants(off: float, meaning: float = 0.0, batch: float = 0.0):
    """Rows of a stream at the last event of each entity, `off` by a clock, beside nightly ones: the last event plus what it means."""
    rng = np.random.default_rng(5)
    events = np.sort(rng.integers(0, 20 * 86400, (400, 60)), axis=1).astype(float)
    nights = [86400.0 * (19 - i) for i in range(4)]
    last = [np.where(events <= night, events, -1.0).max(axis=1) for night in nights]
    sides = [Side.of(values + meaning) for values in last]
    now = events[:, -1]
    ages = (np.full(400, meaning + off - batch), last[0] + meaning - nights[0])
    return judge_movement(Side.of(now + meaning + off), sides[0], list(pairwise(sides)), ages=ages).statistic("clock")


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(0, "within"), (-18000, "beyond"), (19800, "beyond"), (7200, "beyond"), (-18001, "within"), (86400, "within")],
)
def test_instants_that_are_one_zone_off_their_own_rows(off, verdict):
    assert instants(off).verdict == verdict


@pytest.mark.parametrize(("meaning", "batch"), [(1800, 0), (10800, 0), (900, 0), (0, 900), (0, 3600), (-7200, 0)])
def test_instants_that_mean_so_are_not_off(meaning, batch):
    """A session that expires half an hour after its last event; rows that bear the end of their batch."""
    assert instants(0, meaning, batch).verdict == "within"


def recency(states):
    """Rows of a stream at the last event of each entity, beside nightly ones: a function of the seconds since the last event."""
    rng = np.random.default_rng(6)
    events = np.sort(rng.integers(0, 30 * 86400, (500, 60)), axis=1).astype(float)
    nights = [86400.0 * (29 - i) for i in range(8)]
    aged = [states(night - np.where(events <= night, events, -1e6).max(axis=1)) for night in nights]
    sides = [Side.of(values) for values in aged]
    return Side.of(states(np.zeros(500))), sides[0], list(pairwise(sides))


def test_time_since_the_last_event_is_no_collapse():
    for states in (lambda age: age, lambda age: np.exp(-age / 86400)):
        assert judge_movement(*recency(states)).verdict != "beyond"
    assert judge_movement(*recency(lambda age: np.where(age == 0, 43200.0, age))).verdict == "beyond"


def test_what_is_active_right_after_an_event_is_no_change():
    assert judge_changes(*recency(lambda age: age < 3600)).verdict == "within"
    many = judge_changes(*recency(lambda age: np.array(["abcdefg"[int(a) % 7] for a in age])))
    assert many.statistic("changed").verdict != "undecided"


def test_the_instant_of_the_row_itself_is_the_same_everywhere():
    rows = [np.full(100, 86400.0 * day) for day in (5, 4, 3)]
    now = 86400.0 * 5 + np.arange(100.0)
    sides = [Side.of(row) for row in rows]
    found = judge_movement(Side.of(now), sides[0], list(pairwise(sides)), ages=(np.zeros(100), np.zeros(100)))
    assert found.verdict == "within"


def test_bools_lists_and_masks_are_categories():
    values = [[1, 2], [3], True, "x", np.array([1.0, 2.0])] * 10
    side = Side.of(values)
    assert judge_changes(side, side, [(side, side)]).verdict == "within"
    flags = Side.of(np.arange(50) % 2 == 0)
    assert judge_changes(Side.of(~flags.values), flags, [(flags, flags)]).verdict == "beyond"
    masked = Side.of(flags.values, valid=np.zeros(50, bool))
    found = judge_changes(masked, flags, [(flags, flags)])
    assert (found.verdict, found.statistic("nulls").value) == ("beyond", 1.0)


def test_sides_know_null_from_absent():
    side = Side.of([1, None, 3.0, math.nan], present=np.array([True, True, False, True]))
    assert list(side.valid) == [True, False, False, False]
    assert list(Side.of([None, "a"]).valid) == [False, True]
    with pytest.raises(ValueError, match="equally long"):
        Side.of([1.0, 2.0], valid=np.array([True]))


def test_bad_input_is_refused():
    side, short = Side.of(np.arange(40.0)), Side.of(np.arange(39.0))
    for call in (judge_movement, judge_changes):
        with pytest.raises(ValueError, match="same entities"):
            call(side, short, [(side, side)])
        with pytest.raises(ValueError, match="confidence"):
            call(side, side, [(side, side)], confidence=1.0)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.8, 0.95]))
def test_share_bounds_are_the_exact_binomial_ones(k, n, confidence):
    k = min(k, n)
    interval = binomtest(k, n).proportion_ci(2 * confidence - 1)
    assert share_low(k, n, confidence) == pytest.approx(interval.low, abs=1e-9)
    assert share_high(k, n, confidence) == pytest.approx(interval.high, abs=1e-9)


def test_more_steps_need_less_slack():
    assert [slack(steps) for steps in (1, 2, 3, 9)] == sorted([slack(s) for s in (1, 2, 3, 9)], reverse=True)


def test_resampling_keeps_the_first_sums_and_spreads_like_the_standard_error():
    values = np.random.default_rng(1).normal(size=(400, 2))
    sums = resampled_sums(values, 2000, 5)
    assert sums[0] == pytest.approx(values.sum(axis=0))
    assert sums[1:].std(axis=0) == pytest.approx(values.std(axis=0) * 20, rel=0.06)
    assert (resampled_sums(values, 2000, 5) == sums).all()
    assert not resampled_sums(np.zeros((0, 3)), 10, 0).any()
    assert bound(np.array([1.0, np.nan]), 0.5) is None
    assert bound(np.array([]), 0.5) is None
