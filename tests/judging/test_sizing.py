"""Samples sized by the rate to detect: the hardest budget decides, and every view gets the entities that it needs."""

from __future__ import annotations

import pyarrow as pa
import pytest

from feast_skew.core.equality import EXACT
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import FeaturePlan, Limits, Plan, ViewPlan
from feast_skew.core.types import declared_type
from feast_skew.errors import ConfigError
from feast_skew.judging.limits import Share, settle
from feast_skew.judging.sizing import check_detectable, describe_sample, large_sample, sizer, strictest_budget
from feast_skew.measuring.sampling import Known, Population, draw
from feast_skew.report import Verdict
from feast_skew.statistics.power import sample_to_detect

KEYS = KeySet((JoinKey("id", declared_type("Int64")),))


def view(name: str, *budgets: tuple[float, float]) -> ViewPlan:
    features = [
        FeaturePlan(name, f"f{i}", declared_type("Int64"), EXACT, Limits(mismatch_budget=wrong, presence_budget=absent))
        for i, (wrong, absent) in enumerate(budgets)
    ]
    return ViewPlan(name, KEYS, tuple(features))


def needed(detect: float, *budgets: tuple[float, float], population: int = 100_000) -> int:
    one = view("v", *budgets)
    return sizer(Plan("p", (one,)), [one], detect, 0.95, 0.95)(population)


def test_the_loosest_budget_below_the_rate_is_the_hardest_to_break() -> None:
    alone = needed(0.01, (0.005, 0.005), (0.005, 0.005))
    assert needed(0.01, (0.001, 0.005), (0.005, 0.005)) == alone > needed(0.01, (0.001, 0.001), (0.001, 0.001))
    # A budget that allows the rate has no part in it.
    assert needed(0.01, (0.001, 0.001), (0.02, 0.001)) == needed(0.01, (0.001, 0.001), (0.001, 0.001))


@pytest.mark.parametrize("budgets", [(0.001, 0.0001), (0.001, 0.0), (0.0001, 0.01)])
def test_a_clean_feature_passes_both_budgets(budgets: tuple[float, float]) -> None:
    sample = needed(0.5, budgets)
    for budget in budgets:
        metric = settle([Share(0, sample, 100_000, budget)], 0.95)[0]
        assert metric is not None
        assert metric.verdict is Verdict.PASS
    short = settle([Share(0, sample - 1, 100_000, min(budgets))], 0.95)[0]
    assert short is not None
    assert short.verdict is Verdict.INCONCLUSIVE


def test_features_of_all_views_are_judged_together() -> None:
    one, other = view("a", (0.001, 0.001)), view("b", *[(0.001, 0.001)] * 99)
    sample = sizer(Plan("p", (one, other)), [one], 0.002, 0.95, 0.95)(100_000)
    assert sample == sample_to_detect(0.002, 0.95, 100_000, 0.001, 0.95, 100)


def test_no_population_needs_nobody() -> None:
    assert needed(0.002, (0.001, 0.001), population=0) == 0
    assert needed(0.002, (0.001, 0.001), population=1) == 1


def test_a_rate_inside_every_budget_is_refused() -> None:
    plan = Plan("p", (view("v", (0.01, 0.001), (0.02, 0.001)),))
    assert strictest_budget(plan.views) == 0.01
    check_detectable(plan, 0.015)
    with pytest.raises(ConfigError, match=r"0\.01 is within the mismatch_budget 0\.01 .* by id"):
        check_detectable(plan, 0.01)


def test_a_sample_that_takes_long_is_said() -> None:
    finding = large_sample("id", 5_000_001, 10**8, 0.0011)
    assert (finding.code, finding.severity) == ("FS212", "info")
    assert "5,000,001 of 100,000,000 entities by id" in finding.detail


def known(first: int, last: int) -> Known:
    return Known(pa.table({"id": range(first, last)}), last - first, 0)


def population(**views: Known) -> Population:
    ids = sorted({i for one in views.values() for i in one.entities.column("id").to_pylist()})
    return Population(KEYS, pa.table({"id": ids}), dict(views))


def test_a_view_that_knows_a_part_gets_what_it_needs_itself() -> None:
    """Of a common sample of 5,000, a view that knows 60 % would have 3,000: too few for its own verdict."""
    sizes = {20_000: 5_000, 12_000: 4_500}
    drawn = draw(population(all=known(0, 20_000), part=known(0, 12_000)), 5_000, 0, sizes.__getitem__)
    common, part = drawn["all"], drawn["part"]
    assert (common.entities.num_rows, common.population, common.unread) == (5_000, 20_000, 15_000)
    assert (part.entities.num_rows, part.population, part.unread) == (4_500, 12_000, 7_500)


def test_views_share_the_sample_where_it_is_enough_for_both() -> None:
    drawn = draw(population(all=known(0, 20_000), most=known(0, 19_990)), 5_000, 0, lambda size: size // 4 - 100)
    assert drawn["all"].entities.equals(drawn["most"].entities)
    assert drawn["all"].unread == 15_000


def test_a_small_view_is_read_whole() -> None:
    drawn = draw(population(all=known(0, 20_000), small=known(0, 50)), 5_000, 0, lambda size: size // 4)
    assert drawn["small"].entities.num_rows == drawn["small"].population == 50


def test_the_curve_as_json() -> None:
    told = describe_sample(10_000, 51_234, 0.001, 0.95, 1, 0.95)
    assert told["budget"] == 0.001
    assert told["decided"]["pass_up_to"] < 0.001 < told["decided"]["fail_from"]
    assert told["operating_curve"][0] == {"rate": 0.0, "pass": pytest.approx(1.0), "fail": 0.0, "open": 0.0}
    assert describe_sample(0, 0, 0.001, 0.95, 1, 0.95)["operating_curve"] == []
