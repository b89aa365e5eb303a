"""`feast-skew materialize`: Feast's own materialization, then `validate` of the views that it wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feast_skew.cli.outputs import say
from feast_skew.cli.progress import progress_for
from feast_skew.cli.validate import check_outputs, described, gateway_of, run_validate
from feast_skew.core.moments import parse_moment
from feast_skew.errors import ConfigError
from feast_skew.render.wording import clean
from feast_skew.report import iso

if TYPE_CHECKING:
    from feast_skew.stores.feast_materialize import Range

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def run_materialize(options: Mapping[str, Any]) -> int:
    """Materialize, validate and deliver; give the exit code. What is wrong with the options is found before anything is written."""
    now = datetime.now(timezone.utc)
    start, end = _moments(options, now)
    check_outputs(options)
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.stores.feast_import import import_feast_unchecked

        import_feast_unchecked()
        from feast_skew.history.baseline_file import read_baseline
        from feast_skew.judging.baseline import check_project
        from feast_skew.stores.feast_materialize import Request, materialize, ranges
        from feast_skew.stores.feast_repository import open_store
    store = open_store(Path(options["repo"]))
    if options["baseline"]:
        check_project(read_baseline(options["baseline"]), store.project)
    every_row = options["disable_event_timestamp"]
    request = Request(tuple(dict.fromkeys(options["views"])), start, end, every_row, options["feature_view_version"])
    planned = ranges(store, request, now)
    after = {
        **options,
        "services": (),
        "features": (),
        "views": tuple(found.view for found in planned),
        "as_of": iso(end),
        "written": {found.view: (found.start, found.end) for found in planned},
    }
    reading = described(after)
    gateway_of(options)  # what is wrong with it would else be found after the writing
    if not options["quiet"]:
        for text in _warnings(planned, end, now):
            click.echo(f"feast-skew: {clean(text)}", err=True)
    if options["dry_run"]:
        say("".join(f"would write {_range(found)}\n" for found in planned))
        say(f"would then validate as of {iso(end)}:\n{reading}")
        return 0
    materialize(
        store,
        request,
        told=not options["quiet"],
        bars=not (options["quiet"] or options["no_progress"]) and sys.stderr.isatty(),
        colour=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
    )
    return run_validate(after)


def _moments(options: Mapping[str, Any], now: datetime) -> tuple[datetime | None, datetime]:
    """Give from where to where; no start for an increment.

    Raises
    ------
    ConfigError
        When they are no times, in the wrong order, too many or too few.
    """
    start, end, increment = options["start"], options["end"], options["incremental"]
    ways = [start is not None, increment is not None, options["disable_event_timestamp"]]
    if sum(ways) != 1:
        how = "no range was given" if not any(ways) else "more than one range was given"
        raise ConfigError(how, hint="give START and END, or --incremental END, or --disable-event-timestamp")
    if increment is not None:
        return None, parse_moment(increment, "--incremental")
    if start is None:
        return _EPOCH, now
    if end is None:
        raise ConfigError(f"START {start} has no END", hint="give both, or --incremental END")
    first, last = parse_moment(start, "START"), parse_moment(end, "END")
    if first > last:
        raise ConfigError(f"END {end} is before START {start}", hint="give the earlier one first")
    return first, last


def _warnings(planned: list[Range], end: datetime, now: datetime) -> list[str]:
    """Say what of a range will surprise later."""
    found = []
    if end > now:
        found.append(
            f"END {iso(end)} is in the future: Feast records the range up to there, so later increments pass over rows "
            "that arrive until then; give a moment that is past"
        )
    found += [
        f"view {one.view} was materialized up to {iso(one.start)} already, so this increment reads nothing of it"
        for one in planned
        if one.start > one.end
    ]
    return found


def _range(found: Range) -> str:
    return f"{found.view} from {iso(found.start)} to {iso(found.end)}"
