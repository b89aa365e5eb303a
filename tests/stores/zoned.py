"""A repository full of moments, validated in whatever time zone the process runs in; prints the report as JSON.

Run by `test_traps.py` in processes of their own: a time zone is a matter of the whole process.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

# The hour that New York skips in spring, the one that it repeats in autumn, and midnights of both places.
MOMENTS = (
    datetime(2024, 2, 10, 2, 30, tzinfo=timezone.utc),
    datetime(2023, 11, 5, 5, 30, tzinfo=timezone.utc),
    datetime(2023, 11, 5, 6, 30, tzinfo=timezone.utc),
    datetime(2024, 1, 1, tzinfo=timezone.utc),
    datetime(2024, 1, 1, 5, tzinfo=timezone.utc),
    datetime(2023, 12, 31, 15, tzinfo=timezone.utc),
    datetime(2023, 3, 12, 2, 30, tzinfo=timezone.utc),
)


def report(directory: Path, connection_string: str) -> dict[str, Any]:
    """Build, materialize and validate; give what does not depend on the run."""
    conftest = _load_conftest()
    repo = conftest.Repository(
        directory, {"type": "redis", "connection_string": connection_string}, project=directory.name
    )
    ids = list(range(len(MOMENTS)))
    later = [moment + timedelta(hours=7) for moment in MOMENTS]
    views = []
    for name, zone in (("naive", None), ("utc", "UTC"), ("tokyo", "Asia/Tokyo"), ("new_york", "America/New_York")):
        table = {
            "id": ids + ids,
            "event_timestamp": conftest.instants(*MOMENTS, *later, zone=zone),
            "created": conftest.instants(*later, *later, zone=zone),
            "seen": conftest.instants(*later, *MOMENTS, zone=zone),
            "x": [float(i) for i in range(2 * len(ids))],
        }
        source = repo.source(name, table, created="created", path=_inside(repo, name))
        views.append(repo.view(name, source, {"id": "Int64"}, {"seen": "UnixTimestamp", "x": "Float64"}))
    days = pa.array([moment.date() for moment in MOMENTS])
    table = {"id": ids, "event_timestamp": conftest.instants(*MOMENTS), "day": days}
    days_source = repo.source("days", table, path=_inside(repo, "days"))
    views.append(repo.view("days", days_source, {"id": "Int64"}, {"day": "UnixTimestamp"}))
    repo.apply(*views)
    repo.materialize(end=datetime(2024, 1, 15, tzinfo=timezone.utc))
    found = repo.validate(
        as_of=datetime(2024, 2, 1, tzinfo=timezone.utc), settings={"show_entities": True}, state=False
    ).to_dict()
    for name in ("run_id", "project", "versions"):
        found.pop(name)
    return found


def _inside(repo: Any, name: str) -> str:
    """Where a table is, as every copy of the repository says it: a path of its own would be another source."""
    return str(repo.path(name).relative_to(repo.directory))


def _load_conftest() -> Any:
    spec = importlib.util.spec_from_file_location("stores_conftest", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    answer = report(Path(sys.argv[1]), sys.argv[2])
    Path(sys.argv[3]).write_text(json.dumps(answer, sort_keys=True))
