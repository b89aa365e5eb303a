"""Whatever the seed of the sample: nothing on the clean repository, the silent change every time, nothing once repaired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from feast_skew import api
from feast_skew.demo.flights import END, FlightsRepository, redis_named
from feast_skew.embedded.redis_server import EmbeddedRedis
from feast_skew.report import SkewReport, Verdict

MOST = 3600
"""Most planes but not all, so that every seed leaves others out; enough for the budget of 0, which needs 3,156."""
FEW = 1500
"""Too few for the budgets (1,819 and 3,156 clean ones are needed), many for a change that touches half the planes."""
CHANGED = {"avg_dep_delay", "avg_arr_delay", "max_dep_delay", "flights"}
SERVICE = ["departure_delay_model"]


def check(repository: FlightsRepository, sample: int, seed: int, services: Sequence[str] | None) -> SkewReport:
    return api.validate(repository.directory, services=services, as_of=END, sample=sample, seed=seed)


def nothing_is_claimed(report: SkewReport) -> bool:
    failed = any(feature.verdict in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR) for feature in report.features)
    wrong = any(
        feature.counts[name] for feature in report.features for name in ("mismatch", "offline_only", "unaligned")
    )
    return not (failed or wrong or report.findings or any(feature.causes for feature in report.features))


def is_clean(report: SkewReport) -> None:
    assert report.verdict is Verdict.PASS, [(f.feature, f.reasons) for f in report.features if f.reasons]
    assert nothing_is_claimed(report)
    assert all(feature.verdict is Verdict.PASS for feature in report.features)


def is_undecided(report: SkewReport) -> None:
    """A sample below what the budget needs: no alarm, and no pass either; small views are decided."""
    assert report.verdict is Verdict.INCONCLUSIVE
    assert nothing_is_claimed(report)
    for feature in report.features:
        rate = feature.metrics["mismatch_rate"]
        assert rate.value == 0
        assert feature.verdict is (Verdict.PASS if feature.view == "route_delays" else Verdict.INCONCLUSIVE)
        assert rate.extra["needed"] in (None, 1819, 3156)


def is_broken(report: SkewReport) -> None:
    assert report.verdict is Verdict.FAIL
    failed = {(feature.view, feature.feature) for feature in report.features if feature.verdict is Verdict.FAIL}
    assert failed == {("plane_delays", name) for name in CHANGED}
    for feature in report.features:
        codes = [cause.code for cause in feature.causes]
        assert codes[:1] == (["definition_not_landed"] if feature.verdict is Verdict.FAIL else [])
        if feature.verdict is Verdict.FAIL:
            assert feature.causes[0].share == 1.0
    # The suites speak too: limits on metrics are broken, and rules by values of a shorter window.
    assert {finding.code for finding in report.findings} <= {"FS302", "FS303", "FS304"}


def tell(directory: Path, seeds: Sequence[int], few: Sequence[int], services: Sequence[str] | None) -> None:
    """Clean, changed, repaired: each checked with every seed, `few` of them with a small sample as well."""
    begin = time.monotonic()
    repository = FlightsRepository(directory)
    repository.build(30)
    left_out = set()
    with EmbeddedRedis() as server, redis_named(server.connection_string):
        repository.apply()
        repository.materialize()
        for seed in seeds:
            report = check(repository, MOST, seed, services)
            is_clean(report)
            planes = next(entry for entry in report.sample["key_sets"] if entry["join_keys"] == ["tailnum"])
            assert planes["entities"] == MOST < planes["population"]
        for seed in few:
            is_undecided(check(repository, FEW, seed, services))
        repository.set_window(30, 7)
        repository.build(7)
        repository.apply()
        repository.materialize()
        for seed in seeds:
            report = check(repository, FEW, seed, services)
            is_broken(report)
            left_out.add(next(f.counts["mismatch"] for f in report.features if f.feature == "avg_dep_delay"))
        repository.materialize(["plane_delays"], skip_dedup=True)
        for seed in seeds:
            is_clean(check(repository, MOST, seed, services))
    assert len(left_out) > min(len(seeds), 5) // 2, "the seeds drew the same sample"
    print(
        f"{len(seeds)} seeds in {time.monotonic() - begin:.0f} s; changed: {min(left_out)} to {max(left_out)} of {FEW}"
    )


def test_two_seeds_clean_broken_and_repaired(tmp_path: Path) -> None:
    tell(tmp_path / "repository", range(2), [0], SERVICE)


@pytest.mark.slow
def test_fifty_seeds_clean_broken_and_repaired(tmp_path: Path) -> None:
    """Every view and service of the repository, 200 validations."""
    tell(tmp_path / "repository", range(50), range(50), None)
