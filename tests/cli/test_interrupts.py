"""Ctrl-C and its kin: exit code 130, one line, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rides import Repository, command, environment
from servers.proxy import Proxy

from feast_skew.embedded.redis_server import EmbeddedRedis


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where the process puts its temporary files: empty at the end, and no process lives in it."""
    place = tmp_path / "tmp"
    place.mkdir()
    yield place
    assert not list(place.iterdir())
    assert not living_in(place)


def living_in(place: Path) -> list[str]:
    """Give the processes that work in a directory, as the server does in its own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str((entry / "cwd").readlink()).startswith(f"{place}/"):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


def start(*arguments: str | Path, cwd: Path, scratch: Path, server: str | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(TMPDIR=str(scratch), PYTHONUNBUFFERED="1", FEAST_SKEW_REDIS=server),
    )


def wait_until_interrupted(process: subprocess.Popen[str]) -> str:
    """Check how it ends; give what is left of standard output."""
    begin = time.monotonic()
    out, err = process.communicate(timeout=60)
    print(process.args, err, process.returncode)
    assert err == "feast-skew: interrupted\n"
    assert process.returncode == 130
    assert time.monotonic() - begin < 10
    return out


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP], ids=lambda how: how.name)
def test_in_mid_read(
    repo: Repository, redis: EmbeddedRedis, tmp_path: Path, scratch: Path, how: signal.Signals
) -> None:
    report = tmp_path / "report.json"
    report.write_text("earlier")
    before = repo.files()
    with closing(Proxy(redis.port, after=9_000, how="freeze")) as proxy:
        repo.edit(redis.connection_string, f"127.0.0.1:{proxy.port}")
        process = start(
            "validate", "--repo", repo.path, "--output", f"json={report}", cwd=tmp_path / "cwd", scratch=scratch
        )
        deadline = time.monotonic() + 60
        while not proxy.breaks and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(how)
        assert wait_until_interrupted(process) == ""
    assert report.read_text() == "earlier"
    assert repo.files() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"report.json", "repo", "cwd", "tmp"}


@pytest.mark.parametrize("library", ["pydantic_core", "libarrow", "pandas"])
def test_while_libraries_are_loaded(repo: Repository, tmp_path: Path, scratch: Path, library: str) -> None:
    process = start("validate", "--repo", repo.path, cwd=tmp_path / "cwd", scratch=scratch)
    deadline = time.monotonic() + 60
    while library not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert wait_until_interrupted(process) == ""


def until(process: subprocess.Popen[str], words: str) -> None:
    """Read what the demo tells until it comes to these words, and a moment longer."""
    assert process.stdout is not None
    said = ""
    while words not in said:
        more = os.read(process.stdout.fileno(), 4096).decode()
        assert more, said
        said += more
    time.sleep(0.3)


@pytest.mark.parametrize(
    ("how", "words", "keep"),
    [(signal.SIGINT, "feast materialize", True), (signal.SIGTERM, "computing its features", False)],
    ids=["SIGINT", "SIGTERM"],
)
def test_during_the_demo(tmp_path: Path, scratch: Path, how: signal.Signals, words: str, keep: bool) -> None:
    process = start("demo", *(["--keep", "kept"] if keep else []), cwd=tmp_path / "cwd", scratch=scratch)
    until(process, words)
    assert list(scratch.iterdir())
    process.send_signal(how)
    wait_until_interrupted(process)


@pytest.mark.slow
def test_during_the_demo_on_a_server_of_the_users_own(tmp_path: Path, scratch: Path, redis: EmbeddedRedis) -> None:
    with redis.client() as client:
        client.set("mine", "kept")
        before = client.dbsize()
        process = start("demo", cwd=tmp_path / "cwd", scratch=scratch, server=redis.connection_string)
        until(process, "2. feast-skew validate")
        assert client.dbsize() > before
        process.send_signal(signal.SIGINT)
        wait_until_interrupted(process)
        assert client.dbsize() == before


def test_an_interruption_of_a_destructor_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python passes over what a destructor raises."""
    from feast_skew.cli import main

    class Held:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def drop() -> None:
        held = Held()
        del held
        time.sleep(1)

    monkeypatch.setattr(sys, "unraisablehook", main._once_more)
    before = signal.signal(signal.SIGTERM, main._interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            drop()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interruption_of_generated_code_ends_as_any_other(tmp_path: Path) -> None:
    """Python remembers it, and would end by the signal after all."""
    (tmp_path / "interrupted.py").write_text(
        "from feast_skew.cli import main\n"
        "try:\n    exec('raise KeyboardInterrupt')\n"
        "except KeyboardInterrupt:\n    main._stop('interrupted', main.EXIT_INTERRUPTED)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "feast-skew: interrupted\n")
