"""Known incidents: which features were wrong, from when until when."""

from __future__ import annotations

import csv
import fnmatch
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from feast_skew.config import read_yaml, suggestion
from feast_skew.core.moments import parse_moment
from feast_skew.errors import ConfigError

_FIELDS = ("feature", "from", "to")
_DELIMITERS = (",", ";", "\t")
"""Where a comma is a decimal point, spreadsheets write semicolons."""


@dataclass(frozen=True)
class Incident:
    """Features, as a pattern like `driver_stats:*`, that were wrong from one moment until another, both included."""

    name: str
    features: str
    start: datetime
    end: datetime

    def concerns(self, view: str, feature: str) -> bool:
        """Tell whether a feature was wrong in it."""
        return fnmatch.fnmatchcase(f"{view}:{feature}", self.features)

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment is in it, both ends included."""
        return self.start <= moment <= self.end


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """Read a CSV file with the columns `feature`, `from` and `to`, or a YAML file with a list `incidents` of the same; `name` is optional.

    Columns may be parted by semicolons or tabs, and their names have capitals. `feature` is `view:feature`, a view, or a pattern with `*`; a date in `to` is all of that day.

    Raises
    ------
    ConfigError
        When the file cannot be read, lacks a column, or holds what is no moment.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        example = "incidents: [{feature: driver_stats, from: 2026-03-04, to: 2026-03-09}]"
        entries = read_yaml(path, "file of incidents", example=example).get("incidents")
        if not isinstance(entries, list):
            raise ConfigError(f"file of incidents {path} has no list `incidents`", hint="see docs/calibrate.md")
        return tuple(_incident(path, number, one) for number, one in enumerate(entries, 1))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a mark before the first name
            text = file.read()
        tables = [list(csv.reader(io.StringIO(text, newline=""), delimiter=one)) for one in _DELIMITERS]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"file of incidents {path} cannot be read", hint=reason) from error
    records = max(tables, key=lambda one: len(set(_FIELDS).intersection(_head(one)[1])))
    place, names = _head(records)
    missing = [name for name in _FIELDS if name not in names]
    if missing:
        raise ConfigError(
            f"file of incidents {path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            hint="its first line names the columns: feature,from,to and by wish name",
        )
    return tuple(
        _incident(path, number, _entry(names, cells))
        for number, cells in enumerate(records[place + 1 :], place + 2)
        if any(cell.strip() for cell in cells)
    )


def _head(records: Sequence[Sequence[str]]) -> tuple[int, list[str]]:
    """Give the place of the record that names the columns, behind blank ones and the `sep=` of a spreadsheet, and the names."""
    for place, cells in enumerate(records):
        if any(cell.strip() for cell in cells) and not cells[0].lower().startswith("sep="):
            return place, [cell.strip().lower() for cell in cells]
    return len(records), []


def _entry(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Give cells by name, those that lack as empty; of two columns with one name the first."""
    found: dict[str, str] = {}
    for name, cell in itertools.zip_longest(names, cells[: len(names)], fillvalue=""):
        found.setdefault(name, cell)
    return found


def _incident(path: Path, number: int, entry: Any) -> Incident:
    if not isinstance(entry, Mapping) or _missing(entry):
        missing = _missing(entry) if isinstance(entry, Mapping) else list(_FIELDS)
        raise ConfigError(
            f"file of incidents {path}, entry {number}: {', '.join(missing)} is missing",
            hint="each incident has feature, from and to",
        )
    if not isinstance(entry["feature"], str):
        raise ConfigError(
            f"file of incidents {path}, entry {number}: feature is no text",
            hint="give each feature an entry of its own",
        )
    features = entry["feature"].strip()
    features = features if ":" in features or features == "*" else f"{features}:*"
    start, end = (parse_moment(str(entry[name]), f"{path.name}, entry {number}: {name}") for name in ("from", "to"))
    if _is_date(entry["to"]):  # people mean all of that day
        end += timedelta(days=1) - timedelta(microseconds=1)
    if end < start:
        raise ConfigError(
            f"file of incidents {path}, entry {number} ends before it begins", hint="exchange from and to"
        )
    return Incident(str(entry.get("name") or f"incident {number}"), features, start, end)


def _is_date(value: Any) -> bool:
    return len(str(value).strip()) == len("2026-01-01")


def _missing(entry: Mapping[str, Any]) -> list[str]:
    return [name for name in _FIELDS if not str(entry.get(name) or "").strip()]


def concerning(incidents: Iterable[Incident], view: str, feature: str) -> list[Incident]:
    """Give the incidents of a feature."""
    return [one for one in incidents if one.concerns(view, feature)]


def unknown_names(incidents: Iterable[Incident], features: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Tell of incidents that concern none of the features: what they name, and which name may be meant."""
    names = list(features)
    refs, views = [f"{view}:{feature}" for view, feature in names], [view for view, _ in names]
    found = {}
    for one in incidents:
        if not any(one.concerns(view, feature) for view, feature in names):
            whole = one.features.removesuffix(":*")
            meant = suggestion(whole, refs if ":" in whole else views)
            found[f"incident {one.name}"] = f"no stored run has a feature {one.features}; {meant}"
    return found
