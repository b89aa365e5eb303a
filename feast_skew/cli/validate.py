"""`feast-skew validate`: options to a call of the public function, its report to the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from feast_skew.cli.outputs import Output, deliver, parse_outputs, say
from feast_skew.cli.progress import progress_for
from feast_skew.core.moments import parse_moment
from feast_skew.errors import ConfigError, NotPushed, UnwritableOutput
from feast_skew.render.wording import clean
from feast_skew.report import SkewReport, exit_code

if TYPE_CHECKING:
    from feast_skew.pushing import Credentials


def run_validate(options: Mapping[str, Any]) -> int:
    """Validate and deliver; give the exit code."""
    outputs = check_outputs(options)
    as_of = parse_moment(options["as_of"], "--as-of") if options["as_of"] is not None else None
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.stores.feast_import import import_feast_unchecked

        import_feast_unchecked()
        from feast_skew import api
    if options["dry_run"]:
        say(described(options))
        return 0
    gateway = gateway_of(options)
    report = api.validate(
        engine=options["engine"],
        as_of=as_of,
        progress=progress,
        wrong_rows=options["wrong_rows"],
        baseline=options["baseline"],
        written=options.get("written"),
        **_arguments(options),
    )
    unwritable: UnwritableOutput | None = None
    try:
        deliver(report, outputs, quiet=options["quiet"])
    except UnwritableOutput as error:
        unwritable = error
    if gateway is not None:
        _push(report, *gateway)
    if unwritable is not None:
        raise unwritable
    return exit_code(
        report, fail_on=str(report.settings["fail_on"]), allow_inconclusive=bool(report.settings["allow_inconclusive"])
    )


def check_outputs(options: Mapping[str, Any]) -> list[Output]:
    """Read where the report goes.

    Raises
    ------
    ConfigError
        When it cannot go there, or there will be none.
    """
    if options["dry_run"] and options["outputs"]:
        raise ConfigError("--dry-run makes no report to put out", hint="leave out --output, or --dry-run")
    if options["dry_run"] and options["baseline"]:
        raise ConfigError("--dry-run judges nothing", hint="leave out --baseline, or --dry-run")
    if options["push_metrics"] is not None:
        from feast_skew.pushing import checked, credentials

        if options["dry_run"]:
            raise ConfigError("--dry-run measures nothing to push", hint="leave out --push-metrics, or --dry-run")
        if checked(options["push_metrics"], "--push-metrics") is not None:
            credentials()
    return parse_outputs(options["outputs"])


def gateway_of(options: Mapping[str, Any]) -> tuple[str, Credentials | None] | None:
    """Give where the metrics go, by the option or the repository's settings, and what that asks for; None when nowhere.

    Raises
    ------
    ConfigError
        When the repository, its settings or the credentials cannot be used.
    """
    from feast_skew import api
    from feast_skew.pushing import credentials

    given = {} if options["push_metrics"] is None else {"push_metrics": options["push_metrics"]}
    address = api.run_settings(options["repo"], options["config"], given).push_metrics
    return None if address is None else (address, credentials())


def _push(report: SkewReport, address: str, given: Credentials | None) -> None:
    """Push, and say so in one line when it fails: the verdict does not depend on who hears of it."""
    from feast_skew.pushing import push

    try:
        push(report, address, given)
    except NotPushed as error:
        click.echo(clean(f"feast-skew: the metrics were not pushed: {error.one_line()}"), err=True)


def described(options: Mapping[str, Any]) -> str:
    """Say what would be read with these options, which checks them.

    Raises
    ------
    ConfigError
        As a validation would.
    """
    from feast_skew import api

    return api.dry_run(**_arguments(options))


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments that a validation and its description share."""
    settings: dict[str, Any] = {}
    if options["fail_on"]:
        settings["fail_on"] = options["fail_on"]
    if options["allow_inconclusive"]:
        settings["allow_inconclusive"] = True
    if options["show_entities"]:
        settings["show_entities"] = True
    return {
        "repo": options["repo"],
        "services": options["services"],
        "views": options["views"],
        "features": options["features"],
        "sample": options["sample"],
        "detect": options["detect"],
        "power": options["power"],
        "entities": options["entities"],
        "seed": options["seed"],
        "config": options["config"],
        "settings": settings,
        "max_ops": options["max_ops"],
        "read_from": options["read_from"],
    }
