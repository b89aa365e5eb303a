"""Offline sources that cannot be read, and entity files of every bad kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rides import AS_OF, DRIVERS, RIDERS, Repository, Run

DRIVER_FILE = Path("data") / "drivers.parquet"


def missing(file: Path) -> None:
    file.unlink()


def lacking_feature(file: Path) -> None:
    pd.read_parquet(file).drop(columns="rate").to_parquet(file)


def lacking_key(file: Path) -> None:
    pd.read_parquet(file).drop(columns="driver_id").to_parquet(file)


def lacking_timestamp(file: Path) -> None:
    pd.read_parquet(file).drop(columns="event_timestamp").to_parquet(file)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def broken_inside(file: Path) -> None:
    """The end of the file, which tells its columns, is whole; the rows are not."""
    content = bytearray(file.read_bytes())
    content[4:1500] = b"\x00" * 1496
    file.write_bytes(bytes(content))


def empty_file(file: Path) -> None:
    file.write_bytes(b"")


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def text_for_number(file: Path) -> None:
    frame = pd.read_parquet(file)
    frame["rate"] = "fast"
    frame.to_parquet(file)


def text_for_timestamp(file: Path) -> None:
    frame = pd.read_parquet(file)
    frame["event_timestamp"] = "yesterday"
    frame.to_parquet(file)


DAMAGES = [
    (missing, ("drivers.parquet", "does not exist")),
    (lacking_feature, ("drivers", "'rate'")),
    (lacking_key, ("drivers", "'driver_id'")),
    (lacking_timestamp, ("drivers", "'event_timestamp'")),
    (truncated, ("drivers", "cannot be read")),
    (broken_inside, ("drivers", "cannot be read")),
    (empty_file, ("drivers", "cannot be read")),
    (directory, ("drivers", "no Parquet file")),
    (text_for_number, ("rate", "declared Float64")),
    (text_for_timestamp, ("event_timestamp",)),
]


@pytest.mark.parametrize(("damage", "parts"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_source_of_the_only_view(run: Run, repo: Repository, damage: Any, parts: tuple[str, ...]) -> None:
    damage(repo.path / DRIVER_FILE)
    run("validate", "--repo", repo.path, "--view", "driver_stats", "--as-of", AS_OF).refused(3, *parts)


@pytest.mark.parametrize(("damage", "parts"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_source_of_one_view_of_several(run: Run, repo: Repository, damage: Any, parts: tuple[str, ...]) -> None:
    damage(repo.path / DRIVER_FILE)
    asked = ["validate", "--repo", repo.path, "--as-of", AS_OF]
    told = run(*asked)
    assert told.code == 3
    assert not told.err
    flat = " ".join(told.out.split())
    for part in parts:
        assert part in flat
    outcome = run(*asked, "--output", "json=-")
    assert outcome.code == 3
    assert outcome.report["verdict"] == "error"
    assert outcome.feature("rider_stats:score")["verdict"] == "pass"
    failed = outcome.feature("driver_stats:rate")
    assert failed["verdict"] == "error"
    assert failed["counts"]["entities"] == 0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    place = tmp_path / "entities"
    place.mkdir()
    return place


def asked(repo: Repository, file: Path, *more: str) -> list[str | Path]:
    return ["validate", "--repo", repo.path, "--as-of", AS_OF, "--entities", file, *more]


DRIVERS_ONLY = ("--view", "driver_stats")
RIDERS_ONLY = ("--view", "rider_stats")


def test_missing_file(run: Run, repo: Repository, files: Path) -> None:
    run(*asked(repo, files / "no.csv")).refused(2, "no.csv", "does not exist")


def test_a_directory(run: Run, repo: Repository, files: Path) -> None:
    run(*asked(repo, files)).refused(2, str(files), "directory")


@pytest.mark.parametrize("name", ["ids.xlsx", "ids", "ids.json"])
def test_wrong_suffix(run: Run, repo: Repository, files: Path, name: str) -> None:
    (files / name).write_text("driver_id\n1\n")
    run(*asked(repo, files / name)).refused(2, name, ".parquet", ".csv")


def test_suffix_in_capitals(run: Run, repo: Repository, files: Path) -> None:
    (files / "IDS.CSV").write_text("driver_id\n1\n")
    assert run(*asked(repo, files / "IDS.CSV", *DRIVERS_ONLY)).code in (0, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.parquet", b"PAR1 this is none"),
        ("ids.parquet", b""),
        ("ids.csv", b"driver_id,name\n1\n2,3,4\n"),
        ("ids.csv", b"driver_id\n\xff\xfe\xfa\n"),
        ("ids.csv", b""),
    ],
)
def test_damaged(run: Run, repo: Repository, files: Path, name: str, content: bytes) -> None:
    (files / name).write_bytes(content)
    run(*asked(repo, files / name, *DRIVERS_ONLY)).refused(2, name)


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
def test_no_row(run: Run, repo: Repository, files: Path, name: str) -> None:
    write(files / name, {"driver_id": pd.Series([], dtype="int64")})
    run(*asked(repo, files / name, *DRIVERS_ONLY)).refused(2, name, "no row")


def write(file: Path, columns: dict[str, Any]) -> Path:
    frame = pd.DataFrame(columns)
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file)
    return file


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
def test_wrong_columns(run: Run, repo: Repository, files: Path, name: str) -> None:
    file = write(files / name, {"driver": [1], "note": ["x"]})
    run(*asked(repo, file, *DRIVERS_ONLY)).refused(2, "driver_id", "driver, note")


def test_columns_of_one_key_set_only(run: Run, repo: Repository, files: Path) -> None:
    """Everything was asked for and the file has the keys of one view: it says which view to name, or what is missing."""
    file = write(files / "ids.csv", {"driver_id": [1, 2]})
    run(*asked(repo, file)).refused(2, "ids.csv", "rider_id", "--view")


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("ids.csv", ["a", "b"]),
        ("ids.parquet", ["a", "b"]),
        ("ids.csv", [1.5, 2.5]),
        ("ids.parquet", [1.5, 2.5]),
        ("ids.csv", [2**64, 1]),
        ("ids.parquet", [True, False]),
        ("ids.parquet", [[1], [2]]),
    ],
)
def test_ids_of_another_type(run: Run, repo: Repository, files: Path, name: str, ids: list[Any]) -> None:
    file = write(files / name, {"driver_id": ids})
    line = run(*asked(repo, file, *DRIVERS_ONLY)).refused(2, "driver_id", "Int64")
    assert len(line) < 400


def counts(run: Run, repo: Repository, file: Path, ref: str, *more: str) -> dict[str, int]:
    outcome = run(*asked(repo, file, *more, "--output", "json=-", "--allow-inconclusive"))
    assert outcome.code == 0, outcome.err
    found: dict[str, int] = outcome.feature(ref)["counts"]
    return found


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
@pytest.mark.parametrize("ids", [[1, 2, 3], ["1", "2", "3"], [1.0, 2.0, 3.0]], ids=["int", "text", "float"])
def test_ids_that_fit(run: Run, repo: Repository, files: Path, name: str, ids: list[Any]) -> None:
    found = counts(run, repo, write(files / name, {"driver_id": ids}), "driver_stats:rate", *DRIVERS_ONLY)
    assert (found["entities"], found["match"]) == (3, 3)


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
def test_null_keys_are_left_out_and_repeated_ones_read_once(run: Run, repo: Repository, files: Path, name: str) -> None:
    file = write(files / name, {"driver_id": pd.array([5, None, 5, 6, None], dtype="Int64"), "note": list("abcde")})
    assert counts(run, repo, file, "driver_stats:rate", *DRIVERS_ONLY)["entities"] == 2


@pytest.mark.parametrize("name", ["ids.csv", "ids.parquet"])
def test_only_null_keys(run: Run, repo: Repository, files: Path, name: str) -> None:
    file = write(files / name, {"driver_id": pd.array([None, None], dtype="Int64"), "note": ["a", "b"]})
    run(*asked(repo, file, *DRIVERS_ONLY)).refused(2, "driver_id", "no row")


def test_text_ids_that_look_like_numbers(run: Run, repo: Repository, files: Path) -> None:
    """A CSV reader that guesses turns 007 into 7, which is nobody."""
    (files / "ids.csv").write_text("rider_id,note\n007,1\n000,2\n039,3\n")
    found = counts(run, repo, files / "ids.csv", "rider_stats:score", *RIDERS_ONLY)
    assert (found["entities"], found["match"]) == (3, 3)


@pytest.mark.parametrize("text", ["true", "2026-01-01", "1e5", "NA", "null", "nan", ""])
def test_text_ids_that_look_like_something_else(run: Run, repo: Repository, files: Path, text: str) -> None:
    (files / "ids.csv").write_text(f'rider_id,note\n"{text}",1\n007,2\n')
    shown = run(*asked(repo, files / "ids.csv", *RIDERS_ONLY, "--output", "json=-", "--show-entities"))
    assert shown.feature("rider_stats:score")["counts"]["entities"] == (2 if text else 1)


def test_large_ids(run: Run, repo: Repository, files: Path) -> None:
    """Beyond 2**53 a detour over floating point meets somebody else."""
    (files / "ids.csv").write_text(f"driver_id\n{2**63 - 1}\n{2**53 + 1}\n1\n")
    found = counts(run, repo, files / "ids.csv", "driver_stats:rate", *DRIVERS_ONLY)
    assert (found["entities"], found["match"], found["absent_both"]) == (3, 1, 2)


def test_entities_nobody_knows(run: Run, repo: Repository, files: Path) -> None:
    file = write(files / "ids.csv", {"driver_id": [900_001, 900_002]})
    outcome = run(*asked(repo, file, *DRIVERS_ONLY))
    assert outcome.code == 3
    assert not outcome.err


def test_both_key_sets(run: Run, repo: Repository, files: Path) -> None:
    (files / "ids.csv").write_text("driver_id,rider_id\n1,001\n2,\n")
    outcome = run(*asked(repo, files / "ids.csv", "--output", "json=-", "--allow-inconclusive"))
    assert outcome.feature("driver_stats:rate")["counts"]["match"] == 2
    assert outcome.feature("rider_stats:score")["counts"]["match"] == 1


def test_ids_under_the_names_of_a_service(run: Run, repo: Repository, files: Path) -> None:
    """Ids of another view's type are read as that type under a mapped name as well: 007 stays text."""
    from feast import FeatureService

    store = repo.store()
    riders = store.get_feature_view("rider_stats")
    uses = [riders.with_name(name).with_join_key_map({"rider_id": name}) for name in ("guest", "host")]
    store.apply([FeatureService(name="pairs", features=uses)])
    (files / "ids.csv").write_text("guest,host\n007,000\n039,007\n")
    found = counts(run, repo, files / "ids.csv", "rider_stats:score", "--service", "pairs")
    assert (found["entities"], found["match"]) == (3, 3)
    (files / "ids.csv").write_text("rider_id\n007\n")
    assert counts(run, repo, files / "ids.csv", "rider_stats:score", "--service", "pairs")["match"] == 1
    (files / "ids.csv").write_text("rider\n007\n")
    run(*asked(repo, files / "ids.csv", "--service", "pairs")).refused(2, "'guest'", "'rider_id'")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--as-of", "yesterday"], ("--as-of 'yesterday'", "2026-11-01")),
        (["--as-of", "2026-13-01"], ("--as-of '2026-13-01'",)),
        (["--as-of", ""], ("--as-of ''",)),
        (["--sample", "0"], ("--sample", "0", "--help")),
        (["--sample", "many"], ("--sample", "'many'", "--help")),
        (["--seed", "x"], ("--seed", "'x'", "--help")),
        (["--sample", str(10**30)], ("sample", str(10**30))),
        (["--seed", str(2**63)], ("seed", str(2**63))),
        (["--sampel", "5"], ("--sampel", "--sample", "--help")),
        (["--engine", "spork"], ("--engine", "'spork'", "--help")),
        (["--fail-on", "error"], ("--fail-on", "'error'", "--help")),
        (["--service"], ("--service", "--help")),
        (["extra"], ("extra", "--help")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options(run: Run, repo: Repository, arguments: list[str], parts: tuple[str, ...]) -> None:
    run("validate", "--repo", repo.path, *arguments).refused(2, *parts)


def test_unknown_command(run: Run) -> None:
    run("valdate").refused(2, "valdate", "--help")


@pytest.mark.parametrize("moment", ["2026-03-10", "2026-03-10T00:00:00Z", "2026-03-10T01:00:00+01:00", " 2026-03-10 "])
def test_moments(run: Run, repo: Repository, moment: str) -> None:
    outcome = run("validate", "--repo", repo.path, "--as-of", moment, "--output", "json=-")
    assert outcome.code == 0
    assert outcome.report["as_of"] == "2026-03-10T00:00:00Z"


def test_before_anything_was_known(run: Run, repo: Repository) -> None:
    outcome = run("validate", "--repo", repo.path, "--as-of", "2001-01-01", "--output", "json=-")
    assert outcome.code == 3
    assert outcome.report["sample"]["population"] == 0


def test_negative_seed_and_small_sample(run: Run, repo: Repository) -> None:
    outcome = run(
        "validate", "--repo", repo.path, "--as-of", AS_OF, "--seed", "-1", "--sample", "7", "--output", "json=-"
    )
    assert outcome.code == 3
    assert outcome.report["sample"]["requested"] == 7
    assert outcome.feature("driver_stats:rate")["counts"]["entities"] == 7
    assert json.dumps(outcome.report["sample"]["population"]) == str(DRIVERS + RIDERS)
