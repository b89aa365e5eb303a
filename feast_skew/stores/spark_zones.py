"""Whether a Spark offline store is configured for UTC, the only time zone in which Feast's SQL means what it says.

Feast writes moments of UTC without their zone into its SQL, and Spark reads them in the zone of its session; moments that Spark
hands to Python come in the zone of the process. Only configuration is read here, no Spark and no data.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from feast_skew.report import Finding

SESSION_ZONE = "spark.sql.session.timeZone"
_VARIABLE = "TZ"
_OFFSET = re.compile(r"(?:UTC|GMT|UT|Z)?(?:([+-])(\d{1,2})(?::?(\d\d))?(?::?(\d\d))?)?", re.IGNORECASE)
_ZONE_REMEDY = f"set {SESSION_ZONE}: UTC in offline_store.spark_conf, and TZ=UTC for every driver"


def is_utc(zone: str) -> bool:
    """Tell whether a time zone, by any name that Spark takes, never differs from UTC."""
    fixed = _OFFSET.fullmatch(zone.strip())
    if fixed is not None and zone.strip():
        return not any(int(part or 0) for part in fixed.groups()[1:])
    try:
        named = ZoneInfo(zone)
    except (KeyError, OSError, ValueError):  # no such zone, or no name at all
        return False
    return all(named.utcoffset(moment.replace(tzinfo=None)) == timedelta(0) for moment in _moments())


def driver_zone() -> str:
    """Give the time zone of this process, `UTC` where it is that by any name: the one of TZ, else the machine's."""
    if all(time.localtime(moment.timestamp()).tm_gmtoff == 0 for moment in _moments()):
        return "UTC"
    return os.environ.get("TZ") or "/".join(dict.fromkeys(time.tzname))


@dataclass(frozen=True)
class TimeZones:
    """The time zones before they were pinned to UTC: the session's, None for one that takes the driver's, and the driver's."""

    session: str | None
    driver: str


@contextlib.contextmanager
def driver_in_utc() -> Iterator[str]:
    """Run this process, and a JVM that it starts, in UTC for a while; give the time zone before, as `driver_zone`.

    Feast writes instants without their zone into the SQL of its Spark store, by the clock of the driver.
    """
    before, zone = os.environ.get(_VARIABLE), driver_zone()
    _set_driver("UTC")
    try:
        yield zone
    finally:
        _set_driver(before)


def _set_driver(zone: str | None) -> None:
    if zone is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = zone
    if hasattr(time, "tzset"):  # not on Windows; Spark's Python side looks at TZ itself
        time.tzset()


def zone_findings(
    spark_conf: Mapping[str, str] | None, session_zone: str | None, driver: str | None = None
) -> list[Finding]:
    """Give the finding that training sets are not made in UTC, with the place that says so; empty when they are.

    `spark_conf` is the one of feature_store.yaml, `session_zone` the zone of the session as it was found (None for a
    session that was made for the run, with a zone of its own), `driver` the zone of the process, as `driver_zone`.
    """
    driver = driver_zone() if driver is None else driver
    configured = (spark_conf or {}).get(SESSION_ZONE)
    process = "TZ of this process" if os.environ.get("TZ") else "the local time zone of this machine"
    if configured is not None and not is_utc(configured):
        return [_in_zone(f"offline_store.spark_conf sets {SESSION_ZONE} to {configured}", configured)]
    if session_zone is not None and not is_utc(session_zone):
        return [_in_zone(f"the Spark session has the time zone {session_zone} ({SESSION_ZONE})", session_zone)]
    if driver == "UTC":
        return []
    if session_zone is None and configured is None:
        where = f"{process} is {driver} and offline_store.spark_conf sets no {SESSION_ZONE}, so Spark takes that"
        return [_in_zone(where, driver)]
    detail = (
        f"{process} is {driver}, though Spark's sessions are in UTC: Feast reads the bounds of an entity frame that is a "
        "Spark DataFrame or SQL in that zone, so such training sets have nulls or older values; this run read under UTC"
    )
    return [Finding("FS232", "info", "", detail, "set TZ=UTC for every driver that makes training sets")]


def _in_zone(where: str, zone: str) -> Finding:
    detail = (
        f"{where}: Feast writes UTC times into its SQL, which Spark reads as {zone}, so training sets have nulls or older "
        "values, UnixTimestamp features are shifted, and materializations that pull the latest rows miss some; this run "
        "read under UTC"
    )
    return Finding("FS232", "warn", "", detail, _ZONE_REMEDY)


def _moments() -> list[datetime]:
    """Give a moment of every half year since 1972: zones change, and summer is not winter."""
    return [datetime(year, month, 1, tzinfo=timezone.utc) for year in range(1972, 2038) for month in (1, 7)]
