"""The action of GitHub: what action.yml says, and its shell steps run by bash as a runner runs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
import yaml
from rides import ROOT, Repository, environment

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True)
class Step:
    """What a step left behind."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    reports: Path


class Runner:
    """Runs a step of the action in a workspace, with the files and variables that a step gets."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.temp = folder / "work space", folder / "runner temp"
        for made in (self.workspace, self.temp / "feast-skew" / "bin"):
            made.mkdir(parents=True)
        # What the install step makes: an environment with the package, here the one that runs the tests.
        for name, words in (("python", ""), ("feast-skew", "-m feast_skew ")):
            program = self.temp / "feast-skew" / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
            program.chmod(0o755)

    def run(self, name: str, inputs: dict[str, str], summary: str = "") -> Step:
        step = next(step for step in STEPS if step.get("id") == name)
        assert step["shell"] == "bash"
        script, output, page = self.temp / "step.sh", self.temp / "output", self.temp / "summary.md"
        script.write_text(step["run"])
        output.write_text("")
        page.write_text(summary)
        given = {f"inputs.{key}": entry["default"] for key, entry in ACTION["inputs"].items()}
        given |= {f"inputs.{key}": value for key, value in inputs.items()} | {"github.action_path": str(ROOT)}
        variables = {
            key: EXPRESSION.sub(lambda found: given[found[1]], str(value)) for key, value in step["env"].items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace,
            env=environment(
                **variables, RUNNER_TEMP=str(self.temp), GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(page)
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        print(done.stdout)
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Step(done.returncode, done.stdout, outputs, page.read_text(), self.workspace / "skew-reports")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "runner")


def test_it_is_an_action() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert {"repo", "service", "args", "python-version"} <= ACTION["inputs"].keys()
    assert {"verdict", "report"} <= ACTION["outputs"].keys()
    assert all(entry["description"] and "default" in entry for entry in ACTION["inputs"].values())
    assert all("uses" in step or ("run" in step and "shell" in step) for step in STEPS)
    ids = {step.get("id") for step in STEPS}
    for output in ACTION["outputs"].values():
        found = re.fullmatch(r"\$\{\{ steps\.(\w+)\.outputs\.(\w+) \}\}", output["value"])
        assert found is not None
        assert found[1] in ids


def test_inputs_reach_scripts_as_variables_only() -> None:
    """An expression in a script is pasted into it before bash reads it: a branch name could then be a command."""
    for step in STEPS:
        assert not EXPRESSION.search(step.get("run", ""))
        for name in EXPRESSION.findall(" ".join(map(str, step.get("env", {}).values()))):
            assert name.removeprefix("inputs.") in ACTION["inputs"] or name == "github.action_path"


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda step: step["id"])
def test_bash_can_read_it(step: dict[str, Any]) -> None:
    subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


def test_all_is_well(runner: Runner, repo: Repository) -> None:
    step = runner.run(
        "validate", {"repo": str(repo.path), "service": "ride_model"}, summary="## Earlier in this step\n"
    )
    assert step.code == 0
    assert step.outputs == {"verdict": "pass", "report": "skew-reports/skew.json"}
    assert json.loads((step.reports / "skew.json").read_text())["verdict"] == "pass"
    assert ET.parse(step.reports / "skew.xml").getroot().attrib["failures"] == "0"
    assert step.summary.startswith("## Earlier in this step\n\n### ✅ feast-skew: PASS")
    assert (step.reports / "skew.md").read_text() == step.summary.partition("\n\n")[2]
    assert step.log.startswith("::notice title=feast-skew PASS")


def test_skew_fails_the_step_and_a_baseline_opens_it(runner: Runner, repo: Repository) -> None:
    file = repo.path / "data" / "drivers.parquet"
    pd.read_parquet(file).assign(trips=1_000).to_parquet(file)
    asked = {"repo": str(repo.path), "service": "driver_model ride_model"}
    step = runner.run("validate", asked)
    assert step.code == 1
    assert step.outputs["verdict"] == "fail"
    assert "::error title=fail driver_stats%3Atrips::" in step.log
    assert "| ❌ fail | <code>driver_stats:trips</code> | 100.000% |" in step.summary
    (step.reports / "skew.json").rename(runner.workspace / "known skew.json")
    step = runner.run("validate", {**asked, "args": "--sample 5000 --baseline 'known skew.json'"})
    assert step.code == 0
    assert step.outputs["verdict"] == "warn"
    assert "::warning title=warn driver_stats%3Atrips::known since" in step.log
    assert json.loads((step.reports / "skew.json").read_text())["sample"]["requested"] == 5000


@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        ({"service": "no_model"}, 2, "no_model"),
        ({"args": "--sampel 5"}, 2, "--sampel"),
        ({"args": "--baseline 'x"}, 2, "not closed"),
        ({"args": "$(touch made) `touch made` ; touch made"}, 2, "unexpected extra argument"),
    ],
)
def test_nothing_measured_is_told(
    runner: Runner, repo: Repository, inputs: dict[str, str], code: int, said: str
) -> None:
    (runner.workspace / "skew-reports").mkdir()
    (runner.workspace / "skew-reports" / "skew.json").write_text('{"verdict": "pass"}')
    step = runner.run("validate", {"repo": str(repo.path), **inputs})
    assert step.code == code
    assert step.outputs == {"verdict": "none", "report": ""}
    annotations = [
        line for line in step.log.splitlines() if line.startswith("::error title=feast-skew measured nothing")
    ]
    assert len(annotations) == 1
    assert said in annotations[0]
    assert not any(path.name == "made" for path in runner.workspace.iterdir())


def test_two_steps_do_not_lose_each_others_summary(runner: Runner, repo: Repository) -> None:
    first = runner.run("validate", {"repo": str(repo.path), "service": "driver_model"})
    second = runner.run("validate", {"repo": str(repo.path), "service": "ride_model"}, summary=first.summary)
    assert second.summary.startswith(first.summary)
    assert second.summary.count("### ✅ feast-skew") == 2
