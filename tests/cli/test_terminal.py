"""A real (pseudo) terminal: colour where it is wanted, bars that vanish, and names that cannot steer it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from rides import AS_OF, Repository, Run, command, environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(*arguments: str | Path, cwd: Path, columns: int = 100, **changes: str | None) -> tuple[int, str]:
    """Run with standard output and error on a terminal; give the exit code and all that it was sent."""
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command(*arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=cwd,
        env=environment(**{"NO_COLOR": None, "TERM": "xterm-256color", **changes}),
    )
    os.close(terminal)
    sent = b""
    try:
        while data := os.read(control, 65536):
            sent += data
    except OSError:  # Linux says so when the last one has closed it
        pass
    os.close(control)
    return process.wait(60), sent.decode(errors="replace")


ASKED = ("--as-of", AS_OF)


@pytest.mark.parametrize("columns", [100, 0])
def test_colour_and_bars(repo: Repository, tmp_path: Path, columns: int) -> None:
    code, sent = on_a_terminal("validate", "--repo", repo.path, *ASKED, cwd=tmp_path / "cwd", columns=columns)
    assert code == 0
    assert "\x1b[32mPASS\x1b[0m" in sent
    assert "driver_stats: online" in sent
    assert "entities" in sent


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colour(repo: Repository, tmp_path: Path, changes: dict[str, str]) -> None:
    code, sent = on_a_terminal(
        "validate", "--repo", repo.path, *ASKED, "--no-progress", cwd=tmp_path / "cwd", **changes
    )
    assert code == 0
    assert "PASS" in sent
    assert "\x1b" not in sent
    assert "\r" not in sent.replace("\r\n", "\n")


def test_nothing_but_text_where_there_is_no_terminal(
    run: Run, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert "\x1b" not in outcome.out
    assert "\r" not in outcome.out
    assert not outcome.err


HOSTILE = "\x1b[2J\x1b]0;owned\x07\nPASS  everything\u202e"


def test_names_cannot_steer_it(repo: Repository, tmp_path: Path) -> None:
    """Owner, tags, values and keys come from others; what reaches the terminal is text."""
    import pandas as pd

    repo.apply(view_owner=f"mallory{HOSTILE}", view_tags={"skew.runbook": f"https://x{HOSTILE}"})
    file = repo.path / "data" / "drivers.parquet"
    pd.read_parquet(file).assign(city=HOSTILE + "y" * 10_000).to_parquet(file)
    riders = repo.path / "data" / "riders.parquet"
    pd.read_parquet(riders).assign(rider_id=lambda frame: frame["rider_id"] + HOSTILE).to_parquet(riders)
    repo.configure(f"views: {{driver_stats: {{ignore: {{until: 2001-01-01, reason: {json.dumps('r' + HOSTILE)}}}}}}}\n")
    code, sent = on_a_terminal("validate", "--repo", repo.path, *ASKED, "--show-entities", cwd=tmp_path / "cwd")
    assert code == 1
    assert "mallory?[2J?]0;owned??PASS" in sent
    # tqdm moves up a line and clears it to make its bars vanish; nothing else is left of escapes.
    text = COLOUR.sub("", sent).replace("\x1b[A", "").replace("\x1b[K", "").replace("\r", "")
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.startswith("PASS") for line in text.splitlines())
    assert len(sent) < 20_000


def test_hostile_json_is_escaped(run: Run, repo: Repository) -> None:
    repo.apply(view_owner=f"mallory{HOSTILE}\x9b2J")
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", "json=-")
    assert outcome.feature("driver_stats:rate")["owner"] == f"mallory{HOSTILE}\x9b2J"
    assert all(character.isprintable() or character == "\n" for character in outcome.out)


def test_hostile_arguments(run: Run, repo: Repository) -> None:
    line = run("validate", "--repo", repo.path, "--view", HOSTILE).refused(2, "driver_stats")
    assert line.isprintable()
    run("validate", "--repo", "no\x1b[31m\nwhere").refused(2, "no?[31m where")
    assert run("validate", HOSTILE).refused(2, "--help").isprintable()
