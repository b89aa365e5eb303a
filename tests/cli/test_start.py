"""Starting fast, and being the same command under each of its names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rides import ROOT, Run, environment, run_process

HEAVY = ("feast", "pandas", "pyarrow", "numpy", "scipy", "pydantic", "redis", "tqdm", "yaml", "dask")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["validate", "--help"], ["demo", "--help"]], ids=" ".join
)
def test_answers_at_once(tmp_path: Path, arguments: list[str]) -> None:
    """Under half a second warm, processor time, which a busy machine does not stretch."""
    best = 9.0
    for _ in range(3):
        before = os.times()
        outcome = run_process(*arguments, cwd=tmp_path)
        after = os.times()
        best = min(best, after.children_user + after.children_system - before.children_user - before.children_system)
        assert outcome.code == 0
        assert not outcome.err
        assert outcome.out
    assert best < 0.5


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["validate", "--help"], ["validate", "--sample", "0"]]
)
def test_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['feast-skew', *{arguments!r}]\n"
        "import runpy; runpy.run_module('feast_skew', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=tmp_path, check=False
    )
    assert done.stderr.splitlines()[-1] == "HEAVY []"


def test_every_name_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("feast-skew")
    if not script.is_file():
        pytest.skip("the package is not installed here")
    said = subprocess.run([script, "validate", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run_process("validate", "--help", cwd=tmp_path).out == said.stdout


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    said = run_process("--version", cwd=tmp_path).out
    declared = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    assert said.split() == ["feast-skew", declared.split('"')[1]]


def test_no_command_shows_the_help(tmp_path: Path) -> None:
    outcome = run_process(cwd=tmp_path)
    assert outcome.code in (0, 2)
    assert "Traceback" not in outcome.err
    assert "validate" in outcome.out + outcome.err


@pytest.mark.parametrize("option", ["--service", "--view", "--feature", "--sample", "--entities", "--seed", "--as-of",
    "--engine", "--config", "--output", "--fail-on", "--allow-inconclusive", "--dry-run", "--quiet", "--no-progress", "--repo"])  # fmt: skip
def test_options_of_the_contract_are_there(option: str) -> None:
    from feast_skew.cli.main import validate

    assert any(option in parameter.opts for parameter in validate.params)


def test_help_shows_no_marks_of_its_layout(run: Run) -> None:
    from feast_skew.cli.main import cli

    for name in cli.commands:
        outcome = run(name, "--help")
        assert outcome.code == 0
        assert "\\" not in outcome.out
