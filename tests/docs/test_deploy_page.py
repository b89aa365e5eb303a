"""Every command of docs/deploy.md is run, on the flights and a real server, and prints what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from feast_skew.demo.flights import REDIS_VARIABLE, FlightsRepository
from feast_skew.embedded.redis_server import EmbeddedRedis

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
SHOWN = dict(re.findall(r"^<!-- shown: ([\w ]+) -->\n```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
MOMENT = re.compile(r"20[2-9]\d-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the flights repository, whose offline window was shortened after online was filled."""
    folder = tmp_path_factory.mktemp("deploy")
    with EmbeddedRedis() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(REDIS_VARIABLE, server.connection_string)
        repository = FlightsRepository(folder / "feature_repo")
        for window in (30, 7):
            if window == 7:
                repository.set_window(30, 7)
            repository.build(window)
            repository.apply()
            repository.materialize()
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        program = folder / "bin" / "feast-skew"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m feast_skew "$@"\n')
        program.chmod(0o755)
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
        for name in ("MAKEFLAGS", "MAKELEVEL"):
            patch.delenv(name, raising=False)
        yield folder


def run_as_shown(name: str, place: Path) -> None:
    """Run the commands of a block one after another; what is shown below each has to be printed, in that order."""
    for part in re.split(r"^\$ ", SHOWN[name], flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False, timeout=300
        )
        printed = [MOMENT.sub("(then)", line) for line in done.stdout.splitlines()]
        at = 0
        for line in (MOMENT.sub("(then)", line) for line in shown if line != "..."):
            assert line in printed[at:], f"{command}\nshows {line!r}; printed:\n{done.stdout}\n{done.stderr}"
            at = printed.index(line, at) + 1
        if not shown:
            assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_commands_in_their_order(place: Path) -> None:
    assert list(SHOWN) == ["old failures", "one seat more", "in a step", "by make"]
    run_as_shown("old failures", place)
    file = place / "feature_repo" / "data" / "features" / "plane_profile.parquet"
    frame = pd.read_parquet(file)
    frame["seats"] += 1
    frame.to_parquet(file)
    run_as_shown("one seat more", place)
    run_as_shown("in a step", place)
    assert (place / "summary.md").read_text().startswith("### ❌ feast-skew: FAIL")
    run_as_shown("by make", place)


def test_no_command_stands_outside_of_what_is_run() -> None:
    assert len(re.findall(r"^\$ ", PAGE, re.MULTILINE)) == sum(
        len(re.findall(r"^\$ ", b, re.MULTILINE)) for b in SHOWN.values()
    )
    assert PAGE.count("```console") == len(SHOWN)


def test_the_workflow_uses_inputs_and_outputs_of_the_action() -> None:
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    workflow = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    steps = workflow["jobs"]["gate"]["steps"]
    gate = next(step for step in steps if "feast-skew" in step.get("uses", ""))
    assert gate["with"].keys() <= action["inputs"].keys()
    assert set(re.findall(r"steps\.skew\.outputs\.(\w+)", PAGE)) <= action["outputs"].keys()
    path = next(step["with"]["path"] for step in steps if "upload" in step.get("uses", ""))
    assert path == action["inputs"]["reports"]["default"]
