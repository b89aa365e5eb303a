"""`--detect` and `--power`: the sample is as large as the question needs, and the report says what it can tell."""

from __future__ import annotations

import pytest
from rides import AS_OF, DRIVERS, RIDERS, Repository, Run

from feast_skew.statistics.power import sample_to_detect

JSON = ("--as-of", AS_OF, "--output", "json=-")
LOOSE = "defaults: {mismatch_budget: 0.05, presence_budget: 0.05}\n"
FEATURES = 4


def size(population: int, detect: float, power: float = 0.95) -> int:
    needed = sample_to_detect(detect, power, population, 0.05, 0.95, FEATURES)
    assert needed is not None
    return needed


def test_the_sample_is_sized_for_each_key_set(run: Run, repo: Repository) -> None:
    repo.configure(LOOSE + "sample: 7\n")
    outcome = run("validate", "--repo", repo.path, *JSON, "--detect", "20%", "--power", "0.9")
    assert outcome.code == 0
    drivers, riders = outcome.report["sample"]["key_sets"]
    assert drivers["power"] == {"detect": 0.2, "power": 0.9, "needed": size(DRIVERS, 0.2, 0.9)}
    assert riders["power"] == {"detect": 0.2, "power": 0.9, "needed": size(RIDERS, 0.2, 0.9)}
    assert drivers["entities"] == drivers["power"]["needed"] < DRIVERS
    assert riders["entities"] == riders["power"]["needed"] <= RIDERS
    assert outcome.report["sample"]["requested"] == drivers["entities"]
    # Nothing is wrong, so nothing stays open: the smallest sample that can be trusted with that.
    assert {feature["verdict"] for feature in outcome.report["features"]} == {"pass"}


def test_the_report_shows_what_its_sample_can_tell(run: Run, repo: Repository) -> None:
    repo.configure(LOOSE)
    outcome = run("validate", "--repo", repo.path, *JSON, "--sample", "120")
    drivers, riders = outcome.report["sample"]["key_sets"]
    assert "power" not in drivers
    assert drivers["budget"] == 0.05
    assert drivers["decided"]["probability"] == 0.95
    assert 0 < drivers["decided"]["pass_up_to"] < 0.05 < drivers["decided"]["fail_from"] < 1
    for point in drivers["operating_curve"]:
        assert point.keys() == {"rate", "pass", "fail", "open"}
        assert point["pass"] + point["fail"] + point["open"] == pytest.approx(1.0)
        if point["rate"] >= drivers["decided"]["fail_from"]:
            assert point["fail"] >= 0.95
    assert {point["open"] for point in riders["operating_curve"]} == {0.0}
    told = run("validate", "--repo", repo.path, "--as-of", AS_OF, "--sample", "120")
    words = " ".join(told.out.split())
    low, high = (f"{100 * drivers['decided'][name]:.3g}%" for name in ("pass_up_to", "fail_from"))
    assert f"by driver_id, 120 of 300 read: a feature with at most {low} wrong passes" in words
    assert f"one with {high} or more fails (with 95% probability)" in words
    assert "rider_id" not in words
    told = run("validate", "--repo", repo.path, "--as-of", AS_OF)
    assert "all entities were read: shares are exact" in told.out


def test_settings_and_their_order(run: Run, repo: Repository) -> None:
    """A configured rate wins over a configured sample; what the command line says wins over both."""
    repo.configure(LOOSE + "detect: 20%\npower: 0.8\nsample: 7\n")

    def requested(*more: str) -> int:
        report = run("validate", "--repo", repo.path, *JSON, "--view", "driver_stats", *more).report
        return int(report["sample"]["requested"])

    def needed(detect: float, power: float) -> int | None:
        return sample_to_detect(detect, power, DRIVERS, 0.05, 0.95, 3)

    assert requested() == needed(0.2, 0.8)
    assert requested("--power", "99%") == needed(0.2, 0.99)
    assert requested("--detect", "0.3") == needed(0.3, 0.8)
    assert requested("--sample", "50") == 50


def test_entities_given_by_hand_are_no_sample(run: Run, repo: Repository) -> None:
    repo.configure("detect: 0.5\n")
    ids = repo.path / "ids.csv"
    ids.write_text("driver_id\n1\n2\n")
    outcome = run("validate", "--repo", repo.path, *JSON, "--view", "driver_stats", "--entities", ids)
    assert "power" not in outcome.report["sample"]["key_sets"][0]
    assert outcome.report["sample"]["entities"] == 2
    run("validate", "--repo", repo.path, "--entities", ids, "--detect", "0.5").refused(2, "--detect", "--entities")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--detect", "0.2%", "--sample", "5"], ("--detect", "--sample", "leave out")),
        (["--detect", "0.1%"], ("0.001", "mismatch_budget", "driver_id", "larger rate")),
        (["--detect", "0.0005"], ("0.0005", "mismatch_budget 0.001")),
        (["--detect", "0"], ("detect", "greater than 0")),
        (["--detect", "2"], ("detect", "less than or equal to 1")),
        (["--detect", "two"], ("detect", "0.2%", "'two'")),
        (["--detect", "nan"], ("detect",)),
        (["--detect", "%"], ("detect", "'%'")),
        (["--detect", "0.2%", "--power", "1"], ("power", "less than 1")),
        (["--detect", "0.2%", "--power", "0.2"], ("power", "0.5")),
        (["--power", "0.9"], ("--power", "--detect")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_rates(run: Run, repo: Repository, arguments: list[str], parts: tuple[str, ...]) -> None:
    run("validate", "--repo", repo.path, *arguments).refused(2, *parts)
    run("validate", "--repo", repo.path, "--dry-run", *arguments).refused(2, *parts)


def test_a_configured_rate_that_a_budget_allows(run: Run, repo: Repository) -> None:
    repo.configure("detect: 0.2%\nviews: {rider_stats: {mismatch_budget: 0.01}}\n")
    run("validate", "--repo", repo.path).refused(2, "0.01", "rider_id")


def test_dry_run_says_how_many(run: Run, repo: Repository) -> None:
    asked = ("validate", "--repo", repo.path, "--dry-run", "--detect", "20%")
    assert "sample by driver_id: at most 300 entities, to detect 0.2 with power 0.95" in run(*asked).out
    repo.configure(LOOSE)
    unlimited = size(10**9, 0.2)
    assert unlimited < DRIVERS
    outcome = run(*asked)
    assert f"sample by driver_id: at most {unlimited} entities" in outcome.out
    assert f"at most {unlimited} entities by driver_id, {3 * unlimited} values" in outcome.out
    assert f"sample by rider_id: at most {RIDERS} entities" in outcome.out


def test_all_entities(run: Run, repo: Repository) -> None:
    """By an option or by a setting, which are what there is; a number given by hand wins over the setting."""
    by_option = run("validate", "--repo", repo.path, "--sample", "all", "--quiet", "--output", "json=-").report[
        "sample"
    ]
    repo.configure("sample: all\n")
    by_setting = run("validate", "--repo", repo.path, "--quiet", "--output", "json=-").report["sample"]
    assert by_option == by_setting
    assert (by_option["requested"], by_option["entities"]) == (by_option["population"], by_option["population"])
    assert "at most 300 entities by driver_id" in run("validate", "--repo", repo.path, "--dry-run").out
    few = run("validate", "--repo", repo.path, "--sample", "5", "--quiet", "--output", "json=-").report["sample"]
    assert few["requested"] == 5


@pytest.mark.parametrize("text", ["0", "-1", "some", "1.5", ""])
def test_what_is_no_size(run: Run, repo: Repository, text: str) -> None:
    run("validate", "--repo", repo.path, "--sample", text).refused(2, "--sample")
    repo.configure(f"sample: {text or 'null'}\n")
    run("validate", "--repo", repo.path).refused(2, "sample", "or all" if text != "0" else "1")


def test_one_process_keeps_no_wrong_rows(run: Run, repo: Repository) -> None:
    run("validate", "--repo", repo.path, "--wrong-rows", "x/y").refused(2, "x/y", "goes with --engine spark")
