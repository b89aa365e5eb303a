"""`feast-skew history` and `feast-skew report`: what earlier runs found, without reading data again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.cli.outputs import deliver, deliver_texts, parse_outputs, say
from feast_skew.cli.spans import since
from feast_skew.errors import ConfigError
from feast_skew.history.runs import KEPT_PAIRS, Runs, StoredResult
from feast_skew.history.stored_report import read_report
from feast_skew.judging.merged import describe_merged, merge
from feast_skew.remembered import open_history
from feast_skew.render.history import FORMATS, Listing
from feast_skew.report import SkewReport, iso

LATEST = "latest"
_SHOWN_RUNS = 60
_OF_RUN = {
    "verdict": "verdict",
    "name": "feature",
    "since": "since",
    "value": "wrong",
    "low": "at least",
    "high": "at most",
    "psi": "PSI",
    "cause": "first cause",
    "owner": "owner",
}
_OF_FEATURE = {"created_at": "when"} | {
    name: _OF_RUN[name] for name in ("verdict", "value", "low", "high", "psi", "cause")
}


def run_history(options: Mapping[str, Any]) -> int:
    """List what is asked for, or forget what is old; give the exit code."""
    outputs = parse_outputs(options["outputs"], FORMATS)
    asked = [name for name in ("run", "feature", "merge", "prune") if options[name] is not None]
    if len(asked) > 1:
        raise ConfigError(f"--{asked[0]} and --{asked[1]} ask for different things", hint="give one of them")
    opened = open_history(Path(options["repo"]), options["config"])
    runs = opened.history.runs(opened.project)
    if options["prune"] is not None:
        gone = runs.prune(since(options["prune"], "--prune", datetime.now(timezone.utc)))
        say(f"{gone:,} runs older than {options['prune']} are gone from {runs.database.name}\n")
        return 0
    if options["run"] is not None:
        listing = _of_run(runs, options["run"])
    elif options["feature"] is not None:
        listing = _of_feature(runs, options["feature"], options["limit"])
    elif options["merge"] is not None:
        listing = _merged(runs, options["merge"], opened.settings.confidence)
    else:
        listing = _runs(runs, options["limit"], options["before"])
    forms: dict[str, Callable[[], str]] = {form: partial(render, listing) for form, render in FORMATS.items()}
    deliver_texts(forms, outputs, None if options["quiet"] else forms["text"], "the history was read")
    return 0


def run_report(options: Mapping[str, Any]) -> int:
    """Render a stored run again; give the exit code, which is not the run's own: that was given when it was measured."""
    outputs = parse_outputs(options["outputs"])
    deliver(_stored(options), outputs, quiet=options["quiet"])
    return 0


def _stored(options: Mapping[str, Any]) -> SkewReport:
    wanted = str(options["run"])
    if wanted.endswith(".json") or Path(wanted).is_file():
        return _owned(read_report(Path(wanted)), options["owner"])
    opened = open_history(Path(options["repo"]), options["config"])
    runs = opened.history.runs(opened.project)
    wanted = _named(runs, wanted)
    return _owned(runs.past(runs.report(wanted), _SHOWN_RUNS), options["owner"])


def _named(runs: Runs, wanted: str) -> str:
    """Give the id of a run; `latest` stands for the newest."""
    if wanted != LATEST:
        return wanted
    newest = runs.latest(1)
    if not newest:
        raise ConfigError(
            f"history {runs.database.name} has no run of project {runs.project}",
            hint="run `feast-skew validate` first",
        )
    return newest[0].run_id


def _owned(report: SkewReport, owner: str | None) -> SkewReport:
    if owner is None:
        return report
    from feast_skew.config import suggestion
    from feast_skew.owners import for_owner, owners_of

    known = owners_of(report)
    if owner not in known:
        raise ConfigError(f"no feature of this run belongs to {owner!r}", hint=suggestion(owner, known))
    return for_owner(report, owner)


def _runs(runs: Runs, most: int, before: str | None) -> Listing:
    entries = [
        {
            "created_at": one.created_at,
            "verdict": one.verdict.value,
            "failing": one.failing,
            "features": one.features,
            "entities": one.entities,
            "run_id": one.run_id,
        }
        for one in runs.latest(most, before)
    ]
    heads = {
        "created_at": "when (UTC)",
        "verdict": "verdict",
        "failing": "failing",
        "features": "of",
        "entities": "entities",
    }
    empty = f"no run of project {runs.project} in {runs.database.name}"
    return Listing("runs", runs.project, "", heads | {"run_id": "run"}, entries, empty)


def _of_run(runs: Runs, run_id: str) -> Listing:
    run_id = _named(runs, run_id)
    entries = [_entry(one) for one in runs.of_run(run_id)]
    return Listing("features", runs.project, f"run {run_id}", _OF_RUN, entries, f"run {run_id} compared no feature")


def _of_feature(runs: Runs, ref: str, most: int) -> Listing:
    view, separator, feature = ref.partition(":")
    if not separator:
        raise ConfigError(f"--feature {ref!r} is not VIEW:FEATURE", hint="write it as driver_stats:acc_rate")
    found = runs.of_feature(view, feature, most)
    title = ""
    if found:
        last = found[-1]
        title = f"{ref}: {last.past.verdict.value} since {last.since[:19].replace('T', ' ')} UTC"
    return Listing("runs", runs.project, title, _OF_FEATURE, [_entry(one) for one in found], f"no run compared {ref}")


def _entry(one: StoredResult) -> dict[str, Any]:
    past = one.past
    return {
        "view": one.view,
        "feature": one.feature,
        "name": f"{one.view}:{one.feature}",
        "run_id": past.run_id,
        "created_at": past.created_at,
        "verdict": past.verdict.value,
        "since": one.since,
        "entities": one.entities,
        "value": past.value,
        "low": past.low,
        "high": past.high,
        "psi": past.psi,
        "cause": past.cause,
        "owner": one.owner,
    }


def _merged(runs: Runs, span: str, confidence: float) -> Listing:
    entries = []
    stored = runs.profiles(since(span, "--merge", datetime.now(timezone.utc)), iso(_soon()))
    for (view, feature), kept in stored.items():
        if not kept:  # forgotten meanwhile
            continue
        entry: dict[str, Any] = {"view": view, "feature": feature, "name": f"{view}:{feature}", "runs": len(kept)}
        try:
            found = describe_merged(merge([profile for _, profile in kept], KEPT_PAIRS), confidence)
        except ValueError as error:
            entries.append(entry | {"reason": str(error)})
            continue
        entry |= {"pairs": found.rows, "wrong": found.wrong, "share": found.wrong / found.rows if found.rows else None}
        entries.append(entry | {name: metric.value for name, metric in found.metrics.items()})
    heads = {
        "name": "feature",
        "runs": "runs",
        "pairs": "pairs",
        "wrong": "wrong",
        "share": "share",
        "psi": "PSI",
        "mean_difference": "mean difference",
        "variance_ratio": "variance ratio",
        "reason": "not merged because",
    }
    if not any("reason" in entry for entry in entries):
        del heads["reason"]
    return Listing(
        "features", runs.project, f"the runs of the last {span}, merged", heads, entries, f"no run in the last {span}"
    )


def _soon() -> datetime:
    """Give a moment that no finished run lies behind, also one of a machine whose clock is a little ahead."""
    return datetime.now(timezone.utc) + timedelta(days=1)
