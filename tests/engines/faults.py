"""What the tests of faults on Spark share: a repository with wrong rows, and hands that break something in mid-read."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

# Test files are collected by path and are no package, so what they share is found here.
for _folder in (Path(__file__).parents[1], Path(__file__).parents[1] / "cli"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from rides import Repository, make_repository  # noqa: E402  found by the lines above
from servers.server import Server  # noqa: E402

DRIVERS = 4_000
WRONG_EVERY = 4
"""Every fourth driver has a rate that is wrong by a factor."""

FACTOR = 1000.0
QUICK = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "4",
}
"""A session that starts soon, and does small things soon."""

_ARRIVES = 60.0


@dataclass
class World:
    """A server, and a repository whose rows it holds."""

    server: Server
    repo: Repository

    @property
    def hashes(self) -> int:
        """How many rows were asked for so far."""
        return self.server.calls("hmget")

    def workers(self, port: int, of: int | None = None) -> list[psutil.Process]:
        """Give the Python workers of Spark, below a process, that have a connection to a port."""
        return [worker for worker in python_workers(of) if _talks_to(worker, port)]

    def executors_read(self, rows: int, port: int | None = None, of: int | None = None) -> Callable[[], bool]:
        """Give what tells whether executors have read so many rows, beside those that the driver has read before them."""
        begun: list[int] = []

        def reading() -> bool:
            if not begun:
                now = self.hashes
                if self.workers(port or self.server.port, of):
                    begun.append(now)
            return bool(begun) and self.hashes >= begun[0] + rows

        return reading


def make_world(server: Server, folder: Path, *, drivers: int = DRIVERS, connection: str | None = None) -> World:
    """Write, apply and materialize a repository, then change what offline has for some drivers."""
    repo = make_repository(folder, connection or server.address, drivers=drivers)
    spoil(repo)
    return World(server, repo)


def spoil(repo: Repository) -> None:
    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    wrong = frame["driver_id"] % WRONG_EVERY == 1
    frame["rate"] = frame["rate"].where(~wrong, frame["rate"] * FACTOR)
    frame.to_parquet(file)


def expected_wrong(drivers: int = DRIVERS) -> set[int]:
    return {number for number in range(drivers) if number % WRONG_EVERY == 1}


@contextlib.contextmanager
def bare_workers(folder: Path) -> Iterator[None]:
    """Let the Python workers of Spark that are started meanwhile have nothing of what executors need not have."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        f"sys.path.append({str(Path(__file__).parents[1])!r})\n"
        "from servers.executor import ABSENT, _Absent\n"
        "finder = _Absent()\n"
        "finder.absent = [name for name in ABSENT if name not in ('pyspark', 'pandas')]  # Spark's own Python loads both\n"
        "sys.meta_path.insert(0, finder)\n"
    )
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    names = {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": sys.executable}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def python_workers(of: int | None = None) -> list[psutil.Process]:
    """Give the Python workers of Spark that descend from a process, by default this one."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "pyspark.daemon" in process.cmdline() and process.parent() and "java" not in process.parent().name():
                found.append(process)
    return found


def _talks_to(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(one.raddr and one.raddr.port == port for one in process.net_connections("tcp"))
    return False


@contextlib.contextmanager
def meanwhile(condition: Callable[[], bool], act: Callable[[], object]) -> Iterator[list[float]]:
    """Do something once when a condition holds, beside the block; give the moments at which that was."""
    done: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if condition():
                act()
                done.append(time.monotonic())
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join(_ARRIVES)


def told(report: Any) -> dict[str, Any]:
    """Give what a report says, without what differs from run to run."""
    said = json.loads(json.dumps(report.to_dict()))
    for name in ("run_id", "created_at", "seconds"):
        del said[name]
    del said["sample"]["requested"]
    # How fast a server answers is the machine's business.
    said["findings"] = [finding for finding in said["findings"] if finding["code"] != "FS215"]
    return said


def rows_of(folder: Path | str, run: str | None = None) -> pd.DataFrame:
    """Give the rows of a table of wrong rows, in an order of their own, by wish those of one run."""
    import pyarrow.dataset as ds

    table = ds.dataset(str(folder), format="parquet", partitioning="hive").to_table()
    frame = table.to_pandas()
    frame["entity"] = [json.dumps(dict(entity), sort_keys=True) for entity in frame["entity"]]
    if run is not None:
        frame = frame[frame["run_id"].astype(str) == run]
    order = ["view", "feature", "entity"]
    return frame.drop(columns="run_id").sort_values(order).reset_index(drop=True)


def without(names: Mapping[str, Any], *left: str) -> dict[str, Any]:
    return {name: value for name, value in names.items() if name not in left}


def redis_key(repo: Repository, driver: int) -> bytes:
    """Give the key under which the store holds the row of a driver."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=driver)])
    return bytes(serialize_entity_key(key, entity_key_serialization_version=3)) + repo.project.encode()
