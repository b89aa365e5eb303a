"""A JSON report read back whole, so that it can be rendered again and compared with later ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feast_skew.errors import ConfigError
from feast_skew.report import (
    SCHEMA_VERSION,
    Cause,
    Example,
    FeatureResult,
    Finding,
    Known,
    Metric,
    SkewReport,
    Verdict,
)

_OF_METRIC = ("value", "low", "high", "limit", "verdict")


def read_report(path: str | Path) -> SkewReport:
    """Read a report that `--output json=PATH` wrote.

    Raises
    ------
    ConfigError
        When the file is missing, is no whole report of feast-skew, or is one of another schema version.
    """
    return report_of(read_content(path, "report"), f"report {path}")


def read_content(path: str | Path, what: str) -> Any:
    """Read a JSON report as it stands there, and make sure that it is one of this schema version; `what` names it in errors.

    Raises
    ------
    ConfigError
        When it cannot be read, or is something else.
    """
    hint = "name a file that --output json=PATH wrote"
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{what} {file} cannot be read: {error.strerror or error}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} {file} is damaged, or no JSON", hint=hint) from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise ConfigError(f"{what} {file} is no report of feast-skew", hint=hint)
    found = content["schema_version"]
    if found != SCHEMA_VERSION:
        raise ConfigError(
            f"{what} {file} has schema version {found!r}, this feast-skew reads {SCHEMA_VERSION!r}",
            hint="make it again with `feast-skew validate --output json=PATH`",
        )
    return content


def report_of(content: Any, name: str) -> SkewReport:
    """Give the report that `to_dict` described; `name` says in errors which it is.

    Raises
    ------
    ConfigError
        When it is no whole report of feast-skew.
    """
    try:
        return _report(content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{name} is damaged: it is no whole report of feast-skew",
            hint="name a file that --output json=PATH wrote",
        ) from error


def _report(content: Mapping[str, Any]) -> SkewReport:
    return SkewReport(
        project=str(content["project"]),
        run_id=str(content["run_id"]),
        created_at=str(content["created_at"]),
        engine=str(content["engine"]),
        as_of=str(content["as_of"]),
        seed=int(content["seed"]),
        versions=dict(content["versions"]),
        sample=dict(content["sample"]),
        features=tuple(map(_feature, content["features"])),
        findings=tuple(map(_finding, content["findings"])),
        skipped=tuple(map(dict, content["skipped"])),
        scans=tuple(map(dict, content["scans"])),
        settings=dict(content["settings"]),
        expectations=tuple(map(dict, content["expectations"])),
        seconds=dict(content["seconds"]),
        fingerprints=dict(content.get("fingerprints", {})),
        baseline=content.get("baseline"),
    )


def _feature(entry: Mapping[str, Any]) -> FeatureResult:
    return FeatureResult(
        view=str(entry["view"]),
        feature=str(entry["feature"]),
        dtype=str(entry["dtype"]),
        owner=str(entry["owner"]),
        runbook=str(entry["runbook"]),
        channel=str(entry.get("channel", "")),
        ignored=str(entry.get("ignored", "")),
        verdict=Verdict(entry["verdict"]),
        counts={name: int(count) for name, count in entry["counts"].items()},
        metrics={name: _metric(metric) for name, metric in entry["metrics"].items()},
        causes=tuple(Cause(**cause) for cause in entry["causes"]),
        examples=tuple(_example(example) for example in entry["examples"]),
        reasons=tuple(map(str, entry["reasons"])),
        quantiles=dict(entry["quantiles"]),
        services=tuple(map(str, entry["services"])),
        sides=dict(entry["sides"]),
        confusion=tuple(map(dict, entry["confusion"])),
        paths=tuple(map(dict, entry["paths"])),
        lag=dict(entry.get("lag", {})),
        known=_known(entry),
    )


def _metric(entry: Mapping[str, Any]) -> Metric:
    extra = {name: value for name, value in entry.items() if name not in _OF_METRIC}
    return Metric(entry["value"], entry.get("low"), entry.get("high"), entry["limit"], Verdict(entry["verdict"]), extra)


def _example(entry: Mapping[str, Any]) -> Example:
    fields = {name: value for name, value in entry.items() if name != "class"}
    return Example(**fields, kind=entry["class"])


def _finding(entry: Mapping[str, Any]) -> Finding:
    fields = {name: str(entry[name]) for name in ("code", "severity", "view", "detail", "remedy")}
    return Finding(**fields, known=_known(entry))


def _known(entry: Mapping[str, Any]) -> Known | None:
    return None if entry.get("known") is None else Known(**entry["known"])
