"""The time zone of the driver: UTC while a run lasts, and what it was before."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SESSION_ZONE = "spark.sql.session.timeZone"
_VARIABLE = "TZ"
_HALF_A_YEAR = 182 * 86400


@dataclass(frozen=True)
class DriverZone:
    """The time zone of the driver's process: its name, and whether its clock is that of UTC all year."""

    name: str
    is_utc: bool


@dataclass(frozen=True)
class TimeZones:
    """The time zones before they were pinned to UTC; no zone of the session means that it takes the driver's."""

    session: str | None
    driver: DriverZone


@contextlib.contextmanager
def driver_in_utc() -> Iterator[DriverZone]:
    """Run this process, and the JVM that it starts, in UTC for a while; give the time zone before.

    Feast writes instants without their zone into the SQL of its Spark store, by the clock of the driver.
    """
    before = os.environ.get(_VARIABLE)
    zone = DriverZone(before or _named_by_the_system() or time.tzname[0], _is_utc())
    _set("UTC")
    try:
        yield zone
    finally:
        _set(before)


def _set(name: str | None) -> None:
    if name is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = name
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


def _is_utc() -> bool:
    """Tell whether local time is UTC, in January and in July: London's is half of the year."""
    return not any(time.localtime(moment).tm_gmtoff for moment in (0, _HALF_A_YEAR, 40 * 2 * _HALF_A_YEAR))


def _named_by_the_system() -> str | None:
    """Give the name of the zone that /etc/localtime leads to."""
    parts = Path("/etc/localtime").resolve().parts
    return "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else None
