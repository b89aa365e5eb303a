"""`feast-skew calibrate`: limits from stored runs, held beside known incidents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.calibration.calibrate import calibrate
from feast_skew.calibration.incidents import read_incidents
from feast_skew.calibration.texts import FORMATS
from feast_skew.cli.outputs import deliver_texts, parse_outputs
from feast_skew.cli.spans import since
from feast_skew.errors import EXIT_PASS, ConfigError
from feast_skew.remembered import open_history
from feast_skew.report import iso


def run_calibrate(options: Mapping[str, Any]) -> int:
    """Calibrate and deliver; give the exit code."""
    outputs = parse_outputs(options["outputs"], FORMATS)
    incidents = () if options["incidents"] is None else read_incidents(Path(options["incidents"]))
    opened = open_history(Path(options["repo"]), options["config"])
    runs, now = opened.history.runs(opened.project), datetime.now(timezone.utc)
    profiles = runs.profiles(since(options["last"], "--last", now), iso(now + timedelta(days=1)))
    if not profiles:
        raise ConfigError(
            f"history {runs.database.name} has no run of project {opened.project} in the last {options['last']}",
            hint="run `feast-skew validate` first, best every day for some weeks",
        )
    found = calibrate(
        opened.project,
        profiles,
        incidents,
        rate=options["rate"],
        method=options["method"],
        seed=options["seed"] or 0,
    )
    forms = {form: partial(render, found) for form, render in FORMATS.items()}
    deliver_texts(forms, outputs, None if options["quiet"] else forms["text"], "the calibration was made")
    return EXIT_PASS
