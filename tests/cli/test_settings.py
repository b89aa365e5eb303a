"""Settings: what is wrong with them is said in one line, and their layers win in the promised order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rides import AS_OF, Repository, Run

ASKED = ("--as-of", AS_OF, "--output", "json=-")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sampel: 5\n", ("'sampel'", "sample")),
        ("defaults: {mismatch_buget: 0}\n", ("defaults", "'mismatch_buget'", "mismatch_budget")),
        ("views: {driver_stats: {max_lagg: 1d}}\n", ("driver_stats", "'max_lagg'", "max_lag")),
        ("features: {'driver_stats:rate': {pssi: 0.1}}\n", ("driver_stats:rate", "'pssi'", "psi")),
        ("defaults: {tolerance: {rtoll: 0.1}}\n", ("tolerance", "'rtoll'", "did you mean rtol")),
        ("defaults: {ignore: {untill: 2026-01-01, reason: x}}\n", ("ignore", "'untill'", "until")),
        ("defaults: {ignore: {until: 2026-01-01}}\n", ("ignore: reason is missing",)),
        ("defaults: {ignore: {until: soon, reason: x}}\n", ("ignore.until", "'soon'")),
        ("defaults: {ignore: true}\n", ("ignore", "True")),
        ("defaults: {max_lag: 5 parsecs}\n", ("max_lag", "'5 parsecs'", "30d")),
        ("defaults: {max_lag: 90}\n", ("max_lag", "90", "30d")),
        ("defaults: {max_lag: -1d}\n", ("max_lag", "'-1d'")),
        ("defaults: {max_lag: 99999999999999d}\n", ("max_lag", "99999999999999d")),
        ("defaults: {mismatch_budget: 1.5}\n", ("mismatch_budget", "1.5", "1")),
        ("defaults: {mismatch_budget: -0.1}\n", ("mismatch_budget", "-0.1")),
        ("defaults: {mismatch_budget: .nan}\n", ("mismatch_budget", "nan")),
        ("defaults: {mismatch_budget: lots}\n", ("mismatch_budget", "'lots'")),
        ("defaults: {tolerance: {rtol: .inf}}\n", ("tolerance.rtol", "inf")),
        ("defaults: {tolerance: 0.1}\n", ("tolerance", "0.1")),
        ("defaults: {psi: often}\n", ("psi", "'often'", "auto")),
        ("defaults: {psi: -1}\n", ("psi", "-1")),
        ("defaults: 5\n", ("defaults", "by name")),
        ("views: [driver_stats]\n", ("views", "by name")),
        ("views: {driver_stats: 5}\n", ("driver_stats", "by name")),
        ("features: {rate: {psi: 0.1}}\n", ("'rate'", "view:feature")),
        ("features: {'driver_stats:ratte': {psi: 0.1}}\n", ("'ratte'", "rate")),
        ("features: {'driver_stat:rate': {psi: 0.1}}\n", ("'driver_stat'", "driver_stats")),
        ("views: {driver_stat: {psi: 0.1}}\n", ("'driver_stat'", "driver_stats")),
        ("1: 2\n", ("'1'",)),
        ("sample: 0\n", ("sample", "0")),
        ("sample: many\n", ("sample", "'many'")),
        ("sample: true\n", ("sample", "number")),
        ("defaults: {mismatch_budget: yes}\n", ("mismatch_budget", "number")),
        ("confidence: 95\n", ("confidence", "95")),
        ("fail_on: never\n", ("fail_on", "'never'")),
        ("sample: [1\n", ("line 2",)),
        ("- sample\n", ("by name",)),
        ("just words\n", ("by name",)),
        ("max_ops: 0\n", ("max_ops", "0")),
        ("max_ops: fast\n", ("max_ops", "'fast'", "off")),
        ("max_ops: .nan\n", ("max_ops", "nan")),
        ("read_from: master\n", ("read_from", "'master'", "replica")),
        ("sample: 5\nsample: 6\n", ("sample", "twice")),
    ],
    ids=lambda value: value.strip() if isinstance(value, str) else "",
)
def test_bad_file(run: Run, repo: Repository, text: str, parts: tuple[str, ...]) -> None:
    repo.configure(text)
    line = run("validate", "--repo", repo.path).refused(2, "feast_skew.yaml", *parts)
    assert len(line) < 500


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("no.yaml", lambda _file: None, "does not exist"),
        ("dir.yaml", Path.mkdir, "is a directory"),
        ("bytes.yaml", lambda file: file.write_bytes(b"\xff\xfe"), "UTF-8"),
    ],
)
def test_named_file_that_cannot_be_read(
    run: Run, repo: Repository, tmp_path: Path, name: str, make: Any, part: str
) -> None:
    make(tmp_path / name)
    run("validate", "--repo", repo.path, "--config", tmp_path / name).refused(2, name, part)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--max-ops", "0"), ("max_ops", "0")),
        (("--max-ops", "-5"), ("max_ops", "-5")),
        (("--max-ops", "inf"), ("max_ops", "inf")),
        (("--max-ops", "many"), ("max_ops", "many", "off")),
        (("--max-ops", ""), ("max_ops",)),
        (("--read-from", "slave"), ("read-from", "slave", "replica")),
        (("--read-from", "replica"), ("sqlite store has no replicas", "--read-from")),
    ],
    ids=" ".join,
)
def test_bad_flags_of_the_online_read(
    run: Run, repo: Repository, tmp_path: Path, flags: tuple[str, ...], parts: tuple[str, ...], redis: Any
) -> None:
    if "replica" in flags:
        repo.edit("type: redis", "type: sqlite")
        repo.edit(f'connection_string: "{redis.connection_string}"', f"path: {tmp_path}/online.db")
    run("validate", "--repo", repo.path, *flags).refused(2, *parts)


def test_an_empty_file_sets_nothing(run: Run, repo: Repository) -> None:
    repo.configure("# nothing yet\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0


@pytest.mark.parametrize(
    ("tags", "parts"),
    [
        ({"skew.mismatch_buget": "0"}, ("skew.mismatch_buget", "skew.mismatch_budget")),
        ({"skew.mismatch_budget": "2"}, ("mismatch_budget", "2")),
        ({"skew.max_lag": "soon"}, ("max_lag", "'soon'")),
        ({"skew.tolerance": "{rtol"}, ("skew.tolerance", "YAML")),
        ({"skew.ignore": "yes"}, ("ignore",)),
        ({"skew.": "x"}, ("skew.",)),
    ],
)
@pytest.mark.parametrize("place", ["view", "feature"])
def test_bad_tags(run: Run, repo: Repository, place: str, tags: dict[str, str], parts: tuple[str, ...]) -> None:
    repo.apply(view_tags=tags) if place == "view" else repo.apply(field_tags=tags)
    run("validate", "--repo", repo.path).refused(2, f"{place} driver_stats", *parts)


def test_tags_of_others_are_left_alone(run: Run, repo: Repository) -> None:
    repo.apply(view_tags={"team": "x", "skewness": "high"})
    assert run("validate", "--repo", repo.path, *ASKED).code == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("feast_skew: {sampel: 5}\n", ("'sampel'", "sample")),
        ("feast_skew: 5\n", ("by name",)),
        ("feast_skew: {views: {nope: {psi: 1}}}\n", ("'nope'", "driver_stats")),
    ],
)
def test_bad_block(run: Run, repo: Repository, text: str, parts: tuple[str, ...]) -> None:
    repo.append(text)
    run("validate", "--repo", repo.path).refused(2, "feast_skew:", "feature_store.yaml", *parts)


def test_an_empty_block_sets_nothing(run: Run, repo: Repository) -> None:
    repo.append("feast_skew:\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0


def limits(run: Run, repo: Repository, *more: str | Path) -> dict[str, float]:
    """Give the mismatch budget in force for each feature."""
    report = run("validate", "--repo", repo.path, *ASKED, *more).report
    return {f["feature"]: f["metrics"]["mismatch_rate"]["limit"] for f in report["features"]}


def test_layers_of_a_feature(run: Run, repo: Repository, tmp_path: Path) -> None:
    """Defaults, tags of the view, of the field, the block, the file: each one over those before it."""
    everything = {"rate", "trips", "city", "score"}
    assert limits(run, repo) == dict.fromkeys(everything, 0.001)

    repo.apply(view_tags={"skew.mismatch_budget": "0.01"}, field_tags={"skew.mismatch_budget": "0.02"})
    assert limits(run, repo) == {"rate": 0.02, "trips": 0.01, "city": 0.01, "score": 0.001}

    repo.append("feast_skew: {views: {driver_stats: {mismatch_budget: 0.03}}}\n")
    assert limits(run, repo) == {"rate": 0.03, "trips": 0.03, "city": 0.03, "score": 0.001}

    repo.configure("features: {'driver_stats:rate': {mismatch_budget: 0.04}}\n")
    assert limits(run, repo) == {"rate": 0.04, "trips": 0.03, "city": 0.03, "score": 0.001}

    other = tmp_path / "other.yaml"
    other.write_text(
        "defaults: {mismatch_budget: 0.05}\n"
        "views: {driver_stats: {mismatch_budget: 0.06}}\n"
        "features: {'driver_stats:city': {mismatch_budget: 0.07}}\n"
    )
    # --config stands in for the file of the repository.
    assert limits(run, repo, "--config", other) == {"rate": 0.06, "trips": 0.06, "city": 0.07, "score": 0.05}


def test_layers_of_a_run(run: Run, repo: Repository) -> None:
    def asked(*more: str) -> tuple[int, int]:
        report = run("validate", "--repo", repo.path, *ASKED, *more).report
        return report["sample"]["requested"], report["seed"]

    assert asked() == (10_000, 0)
    repo.append("feast_skew: {sample: 50, seed: 3}\n")
    assert asked() == (50, 3)
    repo.configure("sample: 60\n")
    assert asked() == (60, 3)
    assert asked("--sample", "70", "--seed", "0") == (70, 0)


def make_wrong(repo: Repository) -> None:
    """Change the source after it was materialized: every rate is wrong online."""
    import pandas as pd

    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    frame["rate"] += 1
    frame.to_parquet(file)


@pytest.mark.parametrize(("until", "code"), [("2999-12-31", 0), ("2001-01-01", 1)])
def test_ignored_until_a_date(run: Run, repo: Repository, until: str, code: int) -> None:
    make_wrong(repo)
    assert run("validate", "--repo", repo.path, *ASKED).code == 1
    repo.configure(f"features: {{'driver_stats:rate': {{ignore: {{until: {until}, reason: known}}}}}}\n")
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == code
    feature = outcome.feature("driver_stats:rate")
    assert feature["counts"]["mismatch"] == 300
    assert any("known" in reason for reason in feature["reasons"])


def test_ignored_by_a_tag(run: Run, repo: Repository) -> None:
    make_wrong(repo)
    repo.apply(field_tags={"skew.ignore": '{"until": "2999-12-31", "reason": "known"}'})
    assert run("validate", "--repo", repo.path, *ASKED).code == 0


def test_fail_on_warn(run: Run, repo: Repository) -> None:
    """A row of a later day that was not materialized: stale, which warns."""
    import pandas as pd

    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    later = frame.iloc[:5].assign(event_timestamp=frame["event_timestamp"].iloc[0] + pd.Timedelta(days=1))
    pd.concat([frame, later]).to_parquet(file)
    asked = ("validate", "--repo", repo.path, *ASKED)
    outcome = run(*asked)
    assert (outcome.code, outcome.report["verdict"]) == (0, "warn")
    assert run(*asked, "--fail-on", "warn").code == 1
    repo.configure("fail_on: warn\n")
    assert run(*asked).code == 1
    assert run(*asked, "--fail-on", "fail").code == 0


def test_allow_inconclusive_in_the_file(run: Run, repo: Repository) -> None:
    asked = ("validate", "--repo", repo.path, *ASKED, "--sample", "5")
    assert run(*asked).code == 3
    repo.configure("allow_inconclusive: true\n")
    assert run(*asked).code == 0


def test_examples_are_masked_unless_asked_for(run: Run, repo: Repository) -> None:
    make_wrong(repo)
    asked = ("validate", "--repo", repo.path, *ASKED, "--feature", "driver_stats:rate")

    def keys(*more: str) -> set[Any]:
        return {example["key"]["driver_id"] for example in run(*asked, *more).report["features"][0]["examples"]}

    assert keys() == {"***"}
    assert all(isinstance(key, int) for key in keys("--show-entities"))
    repo.configure("show_entities: true\n")
    assert all(isinstance(key, int) for key in keys())


def test_definition_names_its_parts(run: Run, repo: Repository) -> None:
    repo.configure("features: {'driver_stats:rate': {definition: {events: x, keys: {driver_id: d}}}}\n")
    run("validate", "--repo", repo.path).refused(2, "feast_skew.yaml", "definition: timestamp is missing")
