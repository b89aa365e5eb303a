"""The demo's validations on Spark: spark-submit with the job file, as a scheduler would run it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feast_skew.embedded.java import find_java
from feast_skew.errors import ConfigError, EngineUnavailable

_JOB = "validate_skew.py"
_CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    # A short job gains more from a quick start than from the last optimisation.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.sql.shuffle.partitions": "2",
}


@dataclass(frozen=True)
class Submitted:
    """What a job left: what it printed, and its report."""

    text: str
    report: dict[str, Any]


def find_job() -> Path:
    """Find the job file: inside the installed package, or beside it in a checkout.

    Raises
    ------
    ConfigError
        When the package was installed without it.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_spark_jobs", package.parent / "spark_jobs"):
        if (place / _JOB).is_file():
            return place / _JOB
    raise ConfigError("the Spark job is not part of this installation", hint="install feast-skew from its wheel")


def find_submit() -> Path:
    """Find the spark-submit of the pyspark that is installed here.

    Raises
    ------
    ConfigError
        When there is none.
    """
    spec = importlib.util.find_spec("pyspark")
    for place in (spec.submodule_search_locations if spec else None) or ():
        if (Path(place) / "bin" / "spark-submit").is_file():
            return Path(place) / "bin" / "spark-submit"
    raise ConfigError("pyspark is not installed", hint="pip install 'feast-skew[spark]'")


def submit_validate(*arguments: str, width: int) -> Submitted:
    """Run the job on this machine and give its report, whether it found skew or not.

    Raises
    ------
    ConfigError
        When there is no Spark or no Java.
    EngineUnavailable
        When the job made no report; its last line says why.
    """
    environment = {
        **os.environ,
        "JAVA_HOME": str(find_java()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "COLUMNS": str(width),
    }
    with tempfile.TemporaryDirectory(prefix="feast-skew-report-") as scratch:
        file = Path(scratch) / "report.json"
        options = [word for name, value in _CONF.items() for word in ("--conf", f"{name}={value}")]
        done = subprocess.run(
            [
                *(str(find_submit()), "--master", "local[*]", *options, str(find_job())),
                *(*arguments, "--no-progress", "--output", f"json={file}"),
            ],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
        )
        # spark-submit sends all that the driver prints, errors too, to its own standard output.
        if not file.is_file():
            lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
            raise EngineUnavailable(f"spark-submit ended with {done.returncode}", hint=lines[-1])
        return Submitted(done.stdout, json.loads(file.read_text()))
