"""The commands that come after a run: what earlier ones found, and whom they told. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import math
import sys
from typing import Any

import click

from feast_skew.cli.options import CONFIG, DEBUG, NO_PROGRESS, QUIET, REPO, SEED, outputs


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # lies in every range of click's
        raise click.BadParameter("nan is no number", context, option)
    return value


@click.command()
@REPO
@click.option("--run", metavar="RUN", help="The features of this run, or of the latest.")
@click.option("--feature", metavar="VIEW:FEATURE", help="This feature over its runs, oldest first.")
@click.option("--merge", metavar="SPAN", help="All features over the runs of this span, such as 7d, taken together.")
@click.option("--prune", metavar="SPAN", help="Forget the runs that are older than this, such as 90d.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most runs that are listed."
)
@click.option("--before", metavar="TIME", help="Go on with the runs before this moment.")
@CONFIG
@outputs("Also write the list (json, text); - is stdout; repeatable.")
@QUIET
@DEBUG
def history(**options: Any) -> None:
    """List earlier runs, or follow a feature over them; read no data.

    Exit codes: 0 read, 2 the history cannot be read, or has no such run.
    """
    from feast_skew.cli.history import run_history

    sys.exit(run_history(options))


@click.command()
@click.argument("run", default="latest", metavar="[RUN|REPORT.json]")
@REPO
@click.option("--owner", metavar="OWNER", help="Only the features of this owner.")
@CONFIG
@outputs("Also write the report; - is stdout; {owner} in PATH writes one for each owner; repeatable.")
@QUIET
@DEBUG
def report(**options: Any) -> None:
    """Render a run of the history again: the latest, one by its id, or a JSON report.

    Exit codes: 0 rendered, 2 there is no such run, 3 it could not be written.
    """
    from feast_skew.cli.history import run_report

    sys.exit(run_report(options))


@click.command()
@REPO
@click.option("--send", is_flag=True, help="Send what waits, now.")
@click.option("--test", metavar="CHANNEL", help="Send a test by this channel.")
@click.option("--owner", metavar="OWNER", help="To whom the test goes, where the channel's address has {owner}.")
@CONFIG
@outputs("Also write the list (json, text); - is stdout; repeatable.")
@DEBUG
def alerts(**options: Any) -> None:
    """List the messages to owners that are not sent yet, send them, or try a channel.

    Exit codes: 0 listed or sent, 2 the settings have no alerts, 3 a channel did not take a message.
    """
    from feast_skew.cli.alerts import run_alerts

    sys.exit(run_alerts(options))


@click.command()
@REPO
@click.option("--incidents", metavar="FILE", help="Known incidents: .csv or .yaml with feature, from and to.")
@click.option(
    "--rate",
    type=click.FloatRange(0.001, 0.5, max_open=True),
    callback=_number,
    default=0.01,
    show_default=True,
    help="False alarms of a limit per run.",
)
@click.option(
    "--method",
    type=click.Choice(["quantile", "sd"]),
    default="quantile",
    show_default=True,
    help="From the quantile of clean runs, or from their mean and standard deviation.",
)
@click.option("--last", metavar="SPAN", default="180d", show_default=True, help="Runs of this span.")
@click.option(
    "--every",
    metavar="SPAN",
    default="1d",
    show_default=True,
    help="Without a stored run: how far apart offline is held against itself.",
)
@SEED
@CONFIG
@outputs("Also write the proposal (config, html, json, text); - is stdout; repeatable.")
@QUIET
@NO_PROGRESS
@DEBUG
def calibrate(**options: Any) -> None:
    """Propose limits from the clean runs of the history, and say which known incidents they catch.

    Where no run is stored, limits come from splits and time-shifted runs of the present data.

    Exit codes: 0 proposed, 2 there is nothing to propose from, 3 a store does not answer.
    """
    from feast_skew.cli.calibrate import run_calibrate

    sys.exit(run_calibrate(options))
