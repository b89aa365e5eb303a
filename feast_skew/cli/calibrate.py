"""`feast-skew calibrate`: limits from stored runs, held beside known incidents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.calibrating import calibrate_history, calibrate_present
from feast_skew.calibration.calibrate import Calibration
from feast_skew.calibration.incidents import read_incidents
from feast_skew.calibration.texts import FORMATS
from feast_skew.cli.outputs import deliver_texts, parse_outputs
from feast_skew.cli.progress import progress_for
from feast_skew.cli.spans import since
from feast_skew.errors import EXIT_PASS, ConfigError
from feast_skew.setting_values import parse_duration


def run_calibrate(options: Mapping[str, Any]) -> int:
    """Calibrate and deliver; give the exit code."""
    outputs = parse_outputs(options["outputs"], FORMATS)
    found = _calibrated(options, datetime.now(timezone.utc))
    forms = {form: partial(render, found) for form, render in FORMATS.items()}
    deliver_texts(forms, outputs, None if options["quiet"] else forms["text"], "the calibration was made")
    return EXIT_PASS


def _calibrated(options: Mapping[str, Any], now: datetime) -> Calibration:
    incidents = () if options["incidents"] is None else read_incidents(Path(options["incidents"]))
    first, every = since(options["last"], "--last", now), _every(options["every"])
    repo, config, seed = Path(options["repo"]), options["config"], options["seed"]
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    wanted = {"rate": options["rate"], "method": options["method"], "progress": progress}
    found = calibrate_history(repo, config, first, now, incidents, seed=seed or 0, **wanted)
    if found is not None:
        return found
    if incidents:
        raise ConfigError(
            f"--incidents {options['incidents']}: no run is stored in the last {options['last']} that could have caught them",
            hint="leave it out, or run `feast-skew validate` every day and calibrate then",
        )
    return calibrate_present(repo, config, now, every, seed=seed, **wanted)


def _every(span: str) -> timedelta:
    try:
        found = timedelta(microseconds=parse_duration(span) // 1_000)
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from None
    if not found:
        raise ConfigError(f"--every {span!r} is no time", hint="give the time between two materializations, such as 1d")
    return found
