"""Outruns: entities that leave their own history behind, both ways."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from feast_skew.statistics._outruns import RELEVANT, SLACK, outruns

_spec = importlib.util.spec_from_file_location("worlds", Path(__file__).with_name("worlds.py"))
worlds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worlds)


def judge(online, before, steps, spread=1.0):
    return outruns(online, before, steps, spread, confidence=0.95, rtol=1e-9, atol=1e-12)


def streamed(seed, n, steps, window, **kind):
    online, before, pairs = worlds.streamed(seed, n, steps, window=window, **kind)
    return online.values, before.values, [(new.values, old.values) for new, old in pairs]


def test_the_numbers_are_those_of_a_plain_loop():
    rng = np.random.default_rng(5)
    columns = [rng.normal(size=200) for _ in range(6)]
    columns[4][:50] = np.nan
    online, before, *rest = columns
    chain = [before, *rest]
    steps = [(chain[i], chain[i + 1]) for i in range(4)]
    up = down = judged = 0
    chances = []
    for i in range(200):
        moves = [abs(new[i] - old[i]) for new, old in steps if not math.isnan(new[i] - old[i])]
        if len(moves) < 3:
            continue
        judged += 1
        chances.append(1 / (len(moves) + 1))
        furthest = max(moves) + RELEVANT * 2.0
        up += online[i] - before[i] > furthest
        down += before[i] - online[i] > furthest
    found = judge(online, before, steps, spread=2.0)
    assert found.value == pytest.approx(2 * math.sqrt(up * down) / judged)
    assert found.yardstick == pytest.approx(sum(chances) / judged)
    assert found.limit == pytest.approx(SLACK * sum(chances) / judged)
    bounds = [binomtest(k, judged).proportion_ci(0.90, "exact").low for k in (up, down)]
    assert found.low == pytest.approx(2 * math.sqrt(bounds[0] * bounds[1]))


@pytest.mark.parametrize("kind", [{}, {"shock": 20}, {"noise": "pareto", "shock": 15}, {"rate": 0.2}], ids=str)
def test_one_more_step_of_the_same_mean_is_never_beyond_and_a_week_for_a_month_is(kind):
    clean = [judge(*streamed([seed, 1], 300, 6, 30, **kind)) for seed in range(20)]
    skewed = [judge(*streamed([seed, 2], 300, 6, 7, **kind)) for seed in range(20)]
    assert {found.verdict for found in clean} == {"within"}
    assert sum(found.verdict == "beyond" for found in skewed) >= 19


def test_a_push_in_one_direction_is_no_evidence_however_large():
    online, before, steps = streamed(3, 300, 6, 30)
    assert judge(online + 1000.0, before, steps).verdict == "within"


def test_units_do_not_matter():
    online, before, steps = streamed(4, 200, 6, 7)
    plain = judge(online, before, steps, spread=3.0)
    scaled = judge(online * 64, before * 64, [(new * 64, old * 64) for new, old in steps], spread=192.0)
    assert (plain.value, plain.low, plain.verdict) == (scaled.value, scaled.low, scaled.verdict)


@pytest.mark.parametrize(("entities", "steps"), [(29, 6), (100, 2), (100, 0), (0, 6)])
def test_too_few_entities_or_steps_are_only_reported(entities, steps):
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=entities), rng.normal(size=entities)) for _ in range(steps)]
    found = judge(rng.normal(size=entities), rng.normal(size=entities), pairs)
    assert (found.verdict, found.value, found.limit) == ("reported", None, None)
