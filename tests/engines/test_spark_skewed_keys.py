"""One entity with nearly all rows of a source: the task that has it holds no more than any other."""

from __future__ import annotations

import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults
from rides import AS_OF, DAY, Repository, make_repository
from servers.server import Server

ROWS = 2_000_000
HEAVY = 0.9
ENTITIES = 4_000
MOST_MORE = 200 << 20
"""Bytes that the worker with the heavy entity may have more than in the run where all have alike."""

pytestmark = pytest.mark.slow


def write_history(repo: Repository, *, heavy: bool) -> None:
    """Write the same number of rows: of one driver nearly all, or of every driver alike; the last of each is as before."""
    numbers = np.arange(ROWS - ENTITIES)
    owner = np.where(numbers < HEAVY * ROWS, 7, numbers % ENTITIES) if heavy else numbers % ENTITIES
    back = (numbers // ENTITIES if not heavy else numbers) + 1
    start = np.datetime64(DAY.replace(tzinfo=None), "us")
    moments = start - back * np.timedelta64(1_000_000, "us")
    last = pq.read_table(repo.path / "data" / "drivers.parquet").select(
        ["driver_id", "event_timestamp", "rate", "trips", "city"]
    )
    history = pa.table(
        {
            "driver_id": owner,
            "event_timestamp": pa.array(moments, pa.timestamp("us", "UTC")),
            "rate": np.sin(numbers),
            "trips": numbers % 97,
            "city": pa.array([f"city {number % 1000}" for number in numbers]),
        }
    ).cast(last.schema.remove_metadata())
    pq.write_table(
        pa.concat_tables([history, last.replace_schema_metadata(None)]), repo.path / "data" / "drivers.parquet"
    )


class Peaks:
    """The largest resident memory that each Python worker came to."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            for worker in faults.python_workers():
                try:
                    # What was forked and not touched is shared, and counted once for each.
                    held = worker.memory_info()
                except psutil.Error:
                    continue
                self.of[worker.pid] = max(self.of.get(worker.pid, 0), held.rss)

    def __enter__(self) -> Peaks:  # noqa: PYI034  `Self` is not in typing before Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_no_task_holds_more_than_its_share(tmp_path: Path) -> None:
    from feast_skew import api
    from feast_skew.engines.spark.session import open_session

    peaks, told = {}, {}
    with Server() as server, open_session("skewed", master="local[2]", settings=faults.QUICK):
        repo = make_repository(tmp_path / "repo", server.address, drivers=ENTITIES)
        faults.spoil(repo)
        original = (repo.path / "data" / "drivers.parquet").read_bytes()
        for heavy in (False, True):
            (repo.path / "data" / "drivers.parquet").write_bytes(original)
            write_history(repo, heavy=heavy)
            with Peaks() as watched:
                report = api.validate(
                    repo.path, views=["driver_stats"], engine="spark", sample="all", state=False, scan=False,
                    as_of=datetime.fromisoformat(AS_OF), now=DAY + timedelta(days=11),
                    settings={"spark_partitions": 8},
                )  # fmt: skip
            peaks[heavy] = max(watched.of.values())
            told[heavy] = faults.told(report)
    print({("one heavy" if heavy else "all alike"): f"{peak / 2**20:.0f} MiB" for heavy, peak in peaks.items()})
    (rate,) = [feature for feature in told[True]["features"] if feature["feature"] == "rate"]
    assert rate["counts"]["mismatch"] == len(faults.expected_wrong(ENTITIES))
    assert rate["counts"]["match"] == ENTITIES - rate["counts"]["mismatch"]
    assert told[True] == told[False]
    assert peaks[True] < peaks[False] + MOST_MORE
