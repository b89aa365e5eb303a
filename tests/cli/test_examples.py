"""The examples of a gate, run: by make, and the function of the Airflow task, which needs no Airflow."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from rides import ROOT, Repository, environment

EXAMPLES = ROOT / "examples"
FEAST_SKEW = shlex.join([sys.executable, "-m", "feast_skew"])


def skew(repo: Repository, column: str, value: object) -> None:
    file = repo.path / "data" / "drivers.parquet"
    pd.read_parquet(file).assign(**{column: value}).to_parquet(file)


@pytest.fixture
def gate(repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is without Airflow, pointed at the repository."""
    monkeypatch.setenv("FEAST_SKEW", FEAST_SKEW)
    monkeypatch.setenv("FEAST_SKEW_REPO", str(repo.path))
    monkeypatch.setenv("FEAST_SKEW_REPORTS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    spec = importlib.util.spec_from_file_location("airflow_gate", EXAMPLES / "airflow_gate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_airflow_opens(gate: ModuleType, tmp_path: Path) -> None:
    report = Path(gate.gate("driver_model", "manual__2026-03-10T00:00:00+00:00"))
    assert report == tmp_path / "skew-driver_model-manual__2026-03-10T00-00-00-00-00.json"
    assert json.loads(report.read_text())["verdict"] == "pass"


def test_airflow_fails_on_skew_but_for_what_is_known(gate: ModuleType, repo: Repository, tmp_path: Path) -> None:
    skew(repo, "trips", 1_000)
    with pytest.raises(gate.SkewFound, match=r"skew was found: .*skew-driver_model-1\.json"):
        gate.gate("driver_model", "1")
    assert gate.gate("driver_model", "2", str(tmp_path / "skew-driver_model-1.json"))


def test_airflow_tries_again_only_where_it_helps(gate: ModuleType, repo: Repository) -> None:
    with pytest.raises(gate.SkewFound, match="no_model"):
        gate.gate("no_model", "1")
    (repo.path / "data" / "drivers.parquet").unlink()
    with pytest.raises(subprocess.CalledProcessError) as ended:
        gate.gate("driver_model", "1")
    assert ended.value.returncode == 3


def make(target: str, repo: Repository, where: Path) -> subprocess.CompletedProcess[str]:
    words = ["make", "-f", str(EXAMPLES / "Makefile"), target, f"FEAST_SKEW={FEAST_SKEW}", f"REPO={repo.path}"]
    done = subprocess.run(
        [*words, "SERVICE=driver_model"], cwd=where, env=environment(MAKEFLAGS=None), capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    return done


def test_make(repo: Repository, tmp_path: Path) -> None:
    """Open, shut by skew, opened by a baseline, shut by what is new since."""
    where = tmp_path / "model"
    where.mkdir()
    assert "deploying" in make("deploy", repo, where).stdout
    skew(repo, "trips", 1_000)
    shut = make("deploy", repo, where)
    assert shut.returncode == 2
    assert "Error 1" in shut.stderr
    assert "deploying" not in shut.stdout
    assert make("accept", repo, where).returncode == 0
    assert "deploying" in make("deploy", repo, where).stdout
    skew(repo, "city", "Chur")
    assert "Error 1" in make("deploy", repo, where).stderr
    assert (where / "skew-reports" / "skew.xml").is_file()


def test_make_accepts_no_failed_measurement(repo: Repository, tmp_path: Path) -> None:
    (repo.path / "data" / "drivers.parquet").unlink()
    assert make("accept", repo, tmp_path).returncode == 2
    assert not (tmp_path / "known-skew.json").exists()
