"""A small Feast repository, and the command line run on it as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)
AS_OF = "2026-03-10"
DRIVERS = 300
RIDERS = 40


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error, proven to be one and no traceback."""
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("feast-skew: "), self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("feast-skew: ").rstrip("\n")

    def refused(self, code: int, *parts: str) -> str:
        """Check an error: its exit code, nothing on standard output, one line that names these parts."""
        line = self.line
        assert self.code == code, line
        assert not self.out, self.out
        for part in parts:
            assert part in line, line
        return line

    @property
    def report(self) -> dict[str, Any]:
        """Standard output, parsed as the JSON report: nothing else may be on it."""

        def refuse(token: str) -> None:
            raise AssertionError(f"{token} is no JSON")

        return json.loads(self.out, parse_constant=refuse)

    def feature(self, ref: str) -> dict[str, Any]:
        """One feature of the report."""
        view, _, name = ref.partition(":")
        return next(f for f in self.report["features"] if (f["view"], f["feature"]) == (view, name))


Run = Callable[..., Outcome]


def command(*arguments: str | Path) -> list[str]:
    """Give the command line of a process of its own."""
    return [sys.executable, "-m", "feast_skew", *map(str, arguments)]


def environment(**changes: str | None) -> dict[str, str]:
    """Give this process's environment with some variables set, or removed."""
    names = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in names.items() if value is not None}


def run_process(*arguments: str | Path, cwd: Path, timeout: float = 120, **changes: str | None) -> Outcome:
    """Run the command in a process of its own."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(**changes),
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    print("feast-skew", *arguments, "\n" + done.stderr + f"-> {done.returncode}")
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Repository:
    """A Feast repository of two entity key sets, with what a test does to it."""

    path: Path
    project: str

    @property
    def yaml(self) -> Path:
        return self.path / "feature_store.yaml"

    def edit(self, before: str, after: str) -> None:
        text = self.yaml.read_text()
        assert before in text
        self.yaml.write_text(text.replace(before, after))

    def append(self, text: str) -> None:
        self.yaml.write_text(self.yaml.read_text() + text)

    def configure(self, text: str) -> None:
        (self.path / "feast_skew.yaml").write_text(text)

    def store(self) -> Any:
        from feast import FeatureStore

        return FeatureStore(repo_path=str(self.path))

    def apply(self, **options: Any) -> None:
        self.store().apply(objects(**options))

    def materialize(self) -> None:
        self.store().materialize(DAY - timedelta(days=30), DAY + timedelta(days=30))

    def files(self) -> set[str]:
        return {str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file()}


def objects(
    *,
    view_tags: dict[str, str] | None = None,
    field_tags: dict[str, str] | None = None,
    view_owner: str = "drivers@example.com",
    field_name: str = "rate",
) -> list[Any]:
    from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64, String

    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    rider = Entity(name="rider", join_keys=["rider_id"], value_type=ValueType.STRING)
    drivers = FeatureView(
        name="driver_stats",
        entities=[driver],
        ttl=timedelta(0),
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name=field_name, dtype=Float64, tags=field_tags or {}),
            Field(name="trips", dtype=Int64),
            Field(name="city", dtype=String),
        ],
        source=FileSource(name="drivers", path="data/drivers.parquet", timestamp_field="event_timestamp"),
        owner=view_owner,
        tags=view_tags or {},
    )
    riders = FeatureView(
        name="rider_stats",
        entities=[rider],
        ttl=timedelta(0),
        schema=[Field(name="rider_id", dtype=String), Field(name="score", dtype=Float64)],
        source=FileSource(name="riders", path="data/riders.parquet", timestamp_field="event_timestamp"),
        owner="riders@example.com",
    )
    return [
        driver,
        rider,
        drivers,
        riders,
        FeatureService(name="driver_model", features=[drivers]),
        FeatureService(name="ride_model", features=[drivers, riders]),
    ]


def write_sources(path: Path, drivers: int = DRIVERS) -> None:
    data = path / "data"
    data.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {
            "driver_id": range(drivers),
            "event_timestamp": pd.Timestamp(DAY),
            "rate": [0.5 + number / 7 for number in range(drivers)],
            "trips": [number % 90 for number in range(drivers)],
            "city": [("Basel", "Bern", "Genf")[number % 3] for number in range(drivers)],
        }
    )
    frame.to_parquet(data / "drivers.parquet")
    pd.DataFrame(
        {
            # Ids that look like numbers: a reader that guesses types turns 007 into 7.
            "rider_id": [f"{number:03d}" for number in range(RIDERS)],
            "event_timestamp": pd.Timestamp(DAY),
            "score": [number / 3 for number in range(RIDERS)],
        }
    ).to_parquet(data / "riders.parquet")


_NUMBERS = count()


def make_repository(
    path: Path,
    connection: str,
    *,
    drivers: int = DRIVERS,
    apply: bool = True,
    materialize: bool = True,
    **options: Any,
) -> Repository:
    """Write a repository with its sources, and by wish apply and materialize it."""
    path.mkdir(parents=True)
    project = f"rides_{os.getpid()}_{next(_NUMBERS)}"
    repository = Repository(path, project)
    repository.yaml.write_text(
        f"project: {project}\n"
        "provider: local\n"
        "registry: data/registry.db\n"
        "online_store:\n"
        "  type: redis\n"
        f'  connection_string: "{connection}"\n'
        "offline_store:\n"
        "  type: dask\n"
        "entity_key_serialization_version: 3\n"
    )
    write_sources(path, drivers)
    if apply:
        repository.apply(**options)
        if materialize:
            repository.materialize()
    return repository
