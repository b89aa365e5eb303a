"""A stored JSON report, read back as the baseline of another run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from feast_skew.errors import ConfigError
from feast_skew.history.stored_report import read_content
from feast_skew.report import SkewReport, Verdict


@dataclass(frozen=True)
class Then:
    """A feature as the baseline had it: `verdict` without that run's own baseline, `since` the first report that had it.

    `what` is the code of the first cause of that kind; `verdicts` and `bounds` are by metric, the latter with `low`,
    `high`, `wrong` and `checked`.
    """

    verdict: Verdict
    since: str
    what: str | None
    verdicts: Mapping[str, Verdict]
    bounds: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class FailedFinding:
    """A finding that was severe enough to fail the baseline, by itself or without that run's own baseline."""

    code: str
    view: str
    detail: str
    since: str


@dataclass(frozen=True)
class Baseline:
    """What a later run needs of an earlier report; features by view and name."""

    path: Path
    project: str
    run_id: str
    created_at: str
    verdict: Verdict
    features: Mapping[tuple[str, str], Then]
    findings: tuple[FailedFinding, ...]


_BOUNDS = ("low", "high", "wrong", "checked")
_MOST = 10**12
"""More entities than any store has: beyond it a count is damage."""


def read_baseline(path: str | Path) -> Baseline:
    """Read a report that `--output json=PATH` wrote.

    Raises
    ------
    ConfigError
        When the file is missing, is no whole report of feast-skew, or is one of another schema version.
    """
    file, content = Path(path), read_content(path, "baseline")
    try:
        return _baseline(file, content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ConfigError(
            f"baseline {file} is damaged: it is no whole report of feast-skew",
            hint="name a file that --output json=PATH wrote",
        ) from error


def baseline_of(report: SkewReport) -> Baseline:
    """Take a report of this process as the baseline of another one."""
    # As the JSON report does, numbers that are not finite are none.
    return _baseline(Path(), json.loads(json.dumps(report.to_dict(), default=str), parse_constant=lambda _: None))


def _baseline(file: Path, content: Mapping[str, Any]) -> Baseline:
    created = _moment(content["created_at"])
    features: dict[tuple[str, str], Then] = {}
    for entry in content["features"]:
        name = (_text(entry["view"]), _text(entry["feature"]))
        if name in features:
            raise ValueError(f"{name} is there twice")
        features[name] = _then(entry, created)
    failed = []
    for entry in content["findings"]:
        known = entry.get("known")
        if entry["severity"] == "fail" or known is not None:
            since = created if known is None or known["state"] != "known" else _moment(known["since"])
            failed.append(FailedFinding(_text(entry["code"]), _text(entry["view"]), _text(entry["detail"]), since))
    earlier = content.get("baseline")
    verdict = Verdict(content["verdict"] if earlier is None else earlier["verdict_without"])
    project, run_id = _text(content["project"]), _text(content["run_id"])
    return Baseline(file, project, run_id, created, verdict, features, tuple(failed))


def _then(entry: Mapping[str, Any], created: str) -> Then:
    metrics = entry["metrics"]
    _check_counts(entry["counts"])
    verdicts = {name: Verdict(metric["verdict"]) for name, metric in metrics.items()}
    bounds = {name: _bounds(metric) for name, metric in metrics.items()}
    what = next((_text(cause["code"]) for cause in entry["causes"] if cause["kind"] == "what"), None)
    known = entry.get("known")
    if known is None:
        return Then(Verdict(entry["verdict"]), created, what, verdicts, bounds)
    raw = Verdict(known["verdict"])
    if known["state"] != "known":
        return Then(raw, created, what, verdicts, bounds)
    first = {name: _bounds(held) for name, held in known["bounds"].items()}
    return Then(raw, _moment(known["since"]), what, verdicts, {**bounds, **first})


def _bounds(metric: Mapping[str, Any]) -> Mapping[str, float | None]:
    found = {part: _number(metric.get(part)) for part in _BOUNDS}
    value, low, high = _number(metric.get("value")), found["low"], found["high"]
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low} to {high} are no bounds")
    wrong, checked = found["wrong"], found["checked"]
    if wrong is None or checked is None:
        return found
    if not 0 <= wrong <= checked <= _MOST:
        raise ValueError(f"{wrong} wrong of {checked} is no count")
    # A share is never without its bounds; of other metrics one may be infinite, which is null in JSON.
    if value is not None and (low is None or high is None):
        raise ValueError(f"the share {value} has no bounds")
    if not all(part is None or 0.0 <= part <= 1.0 for part in (value, low, high)):
        raise ValueError(f"{value} from {low} to {high} is no share")
    return found


def _check_counts(counts: Mapping[str, Any]) -> None:
    """Make sure that a feature says how many entities it was judged by, and that no part is more than these."""
    if not isinstance(counts["entities"], int) or not {"match", "mismatch"} <= set(counts):
        raise TypeError(f"{counts!r} are no counts")
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= min(counts["entities"], _MOST):
            raise ValueError(f"{count!r} {name} is no count")


def _moment(value: object) -> str:
    text = _text(value)
    if datetime.fromisoformat(re.sub("Z$", "+00:00", text)).tzinfo is None:
        raise ValueError(f"{text!r} is of no time zone")
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError(f"{value!r} is no number")
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    return value
