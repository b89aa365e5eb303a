"""Time zones of a Spark offline store: what they do to Feast, that a run is right in all of them, and when it warns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feast_skew.stores.spark_zones import SESSION_ZONE, driver_zone, is_utc, zone_findings

SCRIPT = Path(__file__).with_name("zoned_spark.py")


@pytest.mark.parametrize(
    "zone", ["UTC", "Etc/UTC", "Z", "GMT", "Zulu", "+00:00", "UTC+0", "-00:00", "GMT+00:00", "utc", "Africa/Abidjan"]
)
def test_names_of_utc(zone: str) -> None:
    assert is_utc(zone)


@pytest.mark.parametrize(
    "zone", ["Asia/Tokyo", "Europe/London", "+09:00", "UTC+9", "GMT-5", "-00:30", "", "no such zone", "../UTC", "EST"]
)
def test_other_zones(zone: str) -> None:
    assert not is_utc(zone)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def be_in(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield be_in
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_the_process(local: Any) -> None:
    local("Etc/UTC")
    assert driver_zone() == "UTC"
    local("Asia/Tokyo")
    assert driver_zone() == "Asia/Tokyo"
    local("Europe/London")  # UTC in winter only
    assert driver_zone() == "Europe/London"


CASES: list[tuple[dict[str, str] | None, str | None, str, str, str]] = [
    # Settings of the store, zone of the session as found, zone of the process; severity, and the place that is named.
    (None, "UTC", "UTC", "", ""),
    (None, None, "UTC", "", ""),
    ({SESSION_ZONE: "UTC"}, "Etc/UTC", "UTC", "", ""),
    ({SESSION_ZONE: "+00:00"}, None, "UTC", "", ""),
    ({SESSION_ZONE: "Asia/Tokyo"}, None, "UTC", "warn", f"offline_store.spark_conf sets {SESSION_ZONE} to Asia/Tokyo"),
    ({SESSION_ZONE: "Asia/Tokyo"}, "UTC", "UTC", "warn", f"offline_store.spark_conf sets {SESSION_ZONE} to Asia/Tokyo"),
    (None, "America/New_York", "UTC", "warn", f"the Spark session has the time zone America/New_York ({SESSION_ZONE})"),
    ({SESSION_ZONE: "UTC"}, "America/New_York", "UTC", "warn", "the Spark session has the time zone America/New_York"),
    (None, None, "Asia/Tokyo", "warn", "is Asia/Tokyo and offline_store.spark_conf sets no spark.sql.session.timeZone"),
    ({"spark.master": "local[2]"}, None, "Asia/Tokyo", "warn", "is Asia/Tokyo and offline_store.spark_conf sets no"),
    ({SESSION_ZONE: "UTC"}, None, "Asia/Tokyo", "info", "is Asia/Tokyo, though Spark's sessions are in UTC"),
    (None, "UTC", "Asia/Tokyo", "info", "is Asia/Tokyo, though Spark's sessions are in UTC"),
]


@pytest.mark.parametrize(("conf", "session", "driver", "severity", "place"), CASES)
def test_the_place_is_named(
    conf: dict[str, str] | None, session: str | None, driver: str, severity: str, place: str
) -> None:
    found = zone_findings(conf, session, driver)
    assert [entry.severity for entry in found] == ([severity] if severity else [])
    for entry in found:
        assert entry.code == "FS232"
        assert place in entry.detail
        assert "UTC" in entry.remedy


def test_which_setting_of_the_process_is_named(local: Any) -> None:
    local("Asia/Tokyo")
    assert zone_findings(None, None)[0].detail.startswith("TZ of this process is Asia/Tokyo")


@pytest.fixture(scope="module")
def in_zones(redis_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a function that starts a process in a time zone, with one for Spark or none."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: requirements-spark.lock has it")

    def run(name: str, process: str, configured: str) -> Any:
        place = tmp_path_factory.mktemp(name)
        environment = {
            **os.environ,
            "TZ": process,
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        arguments = [place / name, redis_server.connection_string, place / "out.json", configured]
        done = subprocess.run(
            [sys.executable, SCRIPT, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads((place / "out.json").read_text())

    return run


def check_right(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Make sure that the run compared right all the same; give what it has to say."""
    for feature in found["report"]["features"]:
        assert feature["counts"]["match"] == 2, feature
    assert found["report"]["verdict"] == "pass"
    return [(entry["code"], entry["severity"], entry["detail"]) for entry in found["report"]["findings"]]


@pytest.mark.slow
def test_a_process_in_tokyo(in_zones: Any) -> None:
    """Training sets from pandas frames get older rows; a run compares the right ones."""
    found = in_zones("tokyo", "Asia/Tokyo", "")
    assert found["zone"] == "Asia/Tokyo"
    assert found["pandas"] != [1.5, 3.5]
    [(code, severity, detail)] = check_right(found)
    assert (code, severity) == ("FS232", "warn")
    assert "the Spark session has the time zone Asia/Tokyo" in detail


@pytest.mark.slow
def test_a_store_configured_for_new_york(in_zones: Any) -> None:
    """Pulls of the latest rows come back empty."""
    found = in_zones("newyork", "UTC", "America/New_York")
    assert found["zone"] == "America/New_York"
    assert found["latest"] == []
    [(code, severity, detail)] = check_right(found)
    assert (code, severity) == ("FS232", "warn")
    assert "offline_store.spark_conf sets spark.sql.session.timeZone to America/New_York" in detail


@pytest.mark.slow
def test_a_process_in_new_york_with_a_store_in_utc(in_zones: Any) -> None:
    """Only frames that are Spark's own are read wrongly."""
    found = in_zones("mixed", "America/New_York", "UTC")
    assert (found["zone"], found["pandas"], found["latest"]) == ("UTC", [1.5, 3.5], [1.5, 3.5])
    assert found["spark"] != [1.5, 3.5]
    [(code, severity, _)] = check_right(found)
    assert (code, severity) == ("FS232", "info")


@pytest.mark.slow
def test_everything_in_utc(in_zones: Any) -> None:
    found = in_zones("utc", "UTC", "UTC")
    assert found["zone"] == "UTC"
    assert found["pandas"] == found["spark"] == found["latest"] == [1.5, 3.5]
    assert check_right(found) == []
