"""The job files, by spark-submit: the exit codes of the command come through, also from a scheduler's task."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from rides import AS_OF, ROOT, Outcome, Repository, environment

from feast_skew.demo.spark import find_job, find_submit
from feast_skew.embedded.java import find_java
from feast_skew.embedded.redis_server import EmbeddedRedis

JOBS = ROOT / "spark_jobs"
SUBMIT = f"{find_submit()} --master local[1] --conf spark.ui.enabled=false"


def on_this_machine(**names: str) -> dict[str, str]:
    return environment(
        JAVA_HOME=str(find_java()), SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable, **names,
    )  # fmt: skip


def submit(*arguments: str | Path, cwd: Path) -> Outcome:
    words = [*SUBMIT.split(), str(find_job()), *map(str, arguments)]
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, check=False, timeout=300, env=on_this_machine()
    )
    print(done.stdout, done.stderr, done.returncode)
    return Outcome(done.returncode, done.stdout, done.stderr)


def make_wrong(repo: Repository) -> None:
    """Change offline under the timestamps that online has."""
    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    frame.assign(rate=frame["rate"] + 1).to_parquet(file)


def test_skew_is_exit_code_1(repo: Repository, tmp_path: Path) -> None:
    make_wrong(repo)
    report = tmp_path / "report.json"
    outcome = submit("--repo", repo.path, "--as-of", AS_OF, "--output", f"json={report}", cwd=tmp_path)
    assert outcome.code == 1
    assert "skew found" in outcome.out
    assert "Warning" not in outcome.out
    found = json.loads(report.read_text())
    assert (found["verdict"], found["engine"]) == ("fail", "spark")


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 2, 3])
def test_other_exit_codes(repo: Repository, redis: EmbeddedRedis, tmp_path: Path, code: int) -> None:
    if code == 3:
        repo.edit(redis.connection_string, "127.0.0.1:1")
    where = tmp_path / "nothing" if code == 2 else repo.path
    assert submit("--repo", where, "--as-of", AS_OF, cwd=tmp_path).code == code


def dag(monkeypatch: pytest.MonkeyPatch, **names: str) -> ModuleType:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("airflow_dag", JOBS / "airflow_dag.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_command_of_the_airflow_dag(repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = dag(
        monkeypatch, FEAST_SKEW_SUBMIT=SUBMIT, FEAST_SKEW_REPO=str(repo.path), FEAST_SKEW_REPORTS=str(tmp_path)
    )
    words, report = module.command(AS_OF)
    done = subprocess.run(words, cwd=tmp_path, env=on_this_machine(), timeout=300, check=False)
    assert done.returncode == 0
    assert report == tmp_path / f"skew-{AS_OF}.json"
    assert json.loads(report.read_text())["verdict"] == "pass"
    assert os.environ["FEAST_SKEW_REPO"] == str(repo.path)
