"""The commands of `feast-skew`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import click

from feast_skew.cli import afterwards
from feast_skew.cli.options import CONFIG, DEBUG, ENGINE, NO_PROGRESS, QUIET, REPO, SAMPLE, SEED, outputs
from feast_skew.cli.streams import abandon_stdout
from feast_skew.errors import EXIT_INTERRUPTED, EXIT_NOT_MEASURED, EXIT_USAGE, SkewError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("feast-skew")
    except PackageNotFoundError:
        return "0.0.0+source"


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"feast-skew {_version()}")
        context.exit()


class _Commands(click.Group):
    """Ends an interrupted command with its one line; click would put an empty one before it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                click.echo(err=True)  # the terminal shows ^C where the cursor stands
            _stop("interrupted", EXIT_INTERRUPTED)
        except BrokenPipeError:  # whoever read the output has left, as `head` does
            abandon_stdout()
            sys.exit(EXIT_INTERRUPTED)


@click.group(cls=_Commands, context_settings=_CONTEXT)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Tell whether Feast's offline and online store mean the same thing, entity by entity."""


@cli.command()
@REPO
@click.option(
    "--service", "services", multiple=True, metavar="NAME", help="Features of this feature service; repeatable."
)
@click.option("--view", "views", multiple=True, metavar="NAME", help="All features of this view; repeatable.")
@click.option("--feature", "features", multiple=True, metavar="VIEW:FEATURE", help="Just this feature; repeatable.")
@SAMPLE
@click.option("--detect", metavar="RATE", help="Sample as many as detect this share of wrong entities, such as 0.2%.")
@click.option("--power", metavar="P", help="How surely --detect fails at that share.  [default: 0.95]")
@click.option("--entities", metavar="FILE", help="Compare these entities (.parquet or .csv with the join keys).")
@SEED
@click.option("--as-of", metavar="TIME", help="Instant up to which offline rows are expected online.  [default: now]")
@ENGINE
@click.option(
    "--wrong-rows", metavar="TARGET", help="Add every wrong row to this folder or table; with --engine spark."
)
@click.option("--max-ops", metavar="N", help="Most commands a second for Redis, or off.  [default: 100000]")
@click.option("--read-from", type=click.Choice(["primary", "replica"]), help="Servers to read.  [default: primary]")
@CONFIG
@outputs(
    "Also write the report (html, json, text, junit, markdown, github, csv, parquet, prometheus); - is stdout; "
    "{owner} in PATH writes one for each."
)
@click.option("--push-metrics", metavar="URL", help="Push metrics to this Pushgateway of Prometheus, or off.")
@click.option("--baseline", metavar="REPORT.json", help="Fail only on what is new or worse than in this JSON report.")
@click.option(
    "--fail-on", type=click.Choice(["warn", "fail"]), help="Lowest verdict with exit code 1.  [default: fail]"
)
@click.option("--allow-inconclusive", is_flag=True, help="Exit 0 instead of 3 when there is too little to decide.")
@click.option("--show-entities", is_flag=True, help="Show the keys of example entities.")
@click.option("--dry-run", is_flag=True, help="Show what would be read, and read no feature value.")
@QUIET
@NO_PROGRESS
@DEBUG
def validate(**options: Any) -> None:
    """Sample entities, read both stores, compare, judge and explain.

    Exit codes: 0 inside the limits, 1 skew found, 2 nothing was measured,
    3 could not measure, 130 interrupted.
    """
    from feast_skew.cli.validate import run_validate

    sys.exit(run_validate(options))


_NOT_AFTER_WRITING = {"services", "views", "features", "as_of", "dry_run"}
"""What `validate` is told and `materialize` knows: the views are those that were written, as of the end of the range."""


@cli.command(
    params=[
        click.Argument(["start"], required=False),
        click.Argument(["end"], required=False),
        click.Option(
            ["--incremental"], metavar="END", help="From where each view was materialized last, up to this moment."
        ),
        click.Option(
            ["--view", "--views", "-v", "views"],
            multiple=True,
            metavar="NAME",
            help="Write this view; repeatable.  [default: all that are online]",
        ),
        click.Option(["--disable-event-timestamp"], is_flag=True, help="Write all rows up to now, as Feast does."),
        click.Option(
            ["--version", "feature_view_version"], metavar="vN", help="Version of the one view, as for Feast."
        ),
        click.Option(["--dry-run"], is_flag=True, help="Show what would be written and read, and do neither."),
        *(option for option in validate.params if option.name not in _NOT_AFTER_WRITING),
    ]
)
def materialize(**options: Any) -> None:
    """Have Feast materialize START to END, then validate the views that it wrote.

    Exit codes: 0 inside the limits, 1 skew found, 2 nothing was written,
    3 could not write or measure, 130 interrupted.
    """
    from feast_skew.cli.materialize import run_materialize

    sys.exit(run_materialize(options))


_OF_REPAIR = {
    "repo", "services", "views", "features", "sample", "entities", "seed", "as_of", "max_ops", "config", "show_entities",
    "quiet", "no_progress", "debug",
}  # fmt: skip
"""What `repair` is told as `validate` is: the same ones choose the same entities."""


@cli.command(
    params=[
        *(option for option in validate.params if option.name in _OF_REPAIR),
        click.Option(["--report"], metavar="RUN.json", help="Repair what failed in this JSON report of validate."),
        click.Option(
            ["--stale"], is_flag=True, help="Also rows that are right for their own time, and not the latest."
        ),
        click.Option(["--unaligned"], is_flag=True, help="Also rows that share no event timestamp with offline."),
        click.Option(["--yes"], is_flag=True, help="Write the rows; without it they are only listed."),
        click.Option(
            ["--output", "outputs"],
            multiple=True,
            metavar="FORMAT=PATH",
            help="Also write what was done (json, text); - is stdout; repeatable.",
        ),
    ]
)
def repair(**options: Any) -> None:
    """List the wrong rows of a Redis online store; with --yes, write exactly these again from the offline rows.

    Exit codes: 0 nothing to repair, or all is repaired, 1 rows are to be repaired,
    or still wrong, 2 nothing was measured, 3 could not measure or write, 130 interrupted.
    """
    from feast_skew.cli.repair import run_repair

    sys.exit(run_repair(options))


def _gated(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `plan` and `apply` share."""
    options = (
        REPO,
        SAMPLE,
        SEED,
        click.option(
            "--entities", metavar="FILE", help="Compare these (join keys, and request data of on-demand views)."
        ),
        ENGINE,
        CONFIG,
        outputs("Also write the plan (json, markdown, text); - is stdout; repeatable."),
        click.option("--skip-source-validation", is_flag=True, help="As for feast apply."),
        click.option("--skip-feature-view-validation", is_flag=True, help="As for feast apply."),
        click.option(
            "--approve",
            "approved",
            multiple=True,
            metavar="VIEW",
            help="Let the change of this view through; repeatable.",
        ),
        click.option("--reason", metavar="TEXT", help="Why it is let through; goes with --approve."),
        QUIET,
        NO_PROGRESS,
        DEBUG,
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@_gated
def plan(**options: Any) -> None:
    """Show what the definitions would change in what is served; write nothing.

    Exit codes: 0 apply would let it through, 1 a change makes skew,
    2 nothing was planned, 3 a change could not be measured.
    """
    from feast_skew.cli.plan import run_plan

    sys.exit(run_plan(options))


@cli.command()
@REPO
@CONFIG
@click.option("--disable", "disabled", multiple=True, metavar="CODE", help="Do not look for this hazard; repeatable.")
@outputs("Also write what is found (json, text); - is stdout; repeatable.")
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "fail"]),
    default="fail",
    show_default=True,
    help="Lowest severity with exit code 1.",
)
@QUIET
@NO_PROGRESS
@DEBUG
def lint(**options: Any) -> None:
    """Find hazards of skew in definitions and settings; read no data.

    Exit codes: 0 no hazard of that severity, 1 at least one, 2 nothing was looked at.
    """
    from feast_skew.cli.lint import run_lint

    sys.exit(run_lint(options))


@cli.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@_gated
@click.pass_context
def apply(context: click.Context, /, **options: Any) -> None:
    """Plan, and run `feast apply` when no change is refused; other options go to Feast.

    Exit codes: 0 applied, 1 refused as a change makes skew, 2 nothing was planned,
    3 refused as a change could not be measured, or feast apply failed.
    """
    from feast_skew.cli.plan import run_apply

    sys.exit(run_apply(options, context.args))


@cli.command()
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Also on Feast's Spark store, through spark-submit.",
)
@click.option("--keep", metavar="DIR", help="Leave the demo's repository in this new directory.")
@NO_PROGRESS
@DEBUG
def demo(**options: Any) -> None:
    """Walk through a real case: skew that stock Feast makes, caught, explained and repaired.

    Needs nothing but the installed package: real flights, a real Redis-compatible server, no network.
    """
    from feast_skew.cli.demo import run_demo

    sys.exit(run_demo(options))


for _command in (afterwards.history, afterwards.report, afterwards.alerts, afterwards.calibrate):
    cli.add_command(_command)


def main(within: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext) -> None:
    """Run the command line, by wish within something; every error that a user can act on is one line and an exit code."""
    debug = "--debug" in sys.argv
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, _interrupt)
    sys.unraisablehook = _once_more
    try:
        with within():
            result = cli.main(standalone_mode=False, prog_name="feast-skew")
        sys.exit(result if isinstance(result, int) else 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _stop("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        _stop(" ".join(error.format_message().split()) + _usage_hint(error), EXIT_USAGE)
    except SkewError as error:
        _trace(debug)
        _stop(error.one_line(), error.exit_code)
    except MemoryError:
        _trace(debug)
        _stop("out of memory: lower --sample, or name fewer views with --view", EXIT_NOT_MEASURED)
    except Exception as error:  # noqa: BLE001  whatever it is, the user gets one line and an exit code
        _trace(debug)
        text = " ".join(str(error).split())[:300]
        step = "" if debug else "; run again with --debug to see where"
        _stop(f"unexpected {type(error).__name__}: {text}{step}", EXIT_NOT_MEASURED)


def _interrupt(_signal: int, _frame: object) -> None:
    """End on SIGTERM and a closed terminal as on Ctrl-C: servers stopped, nothing half-written."""
    raise KeyboardInterrupt


def _once_more(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt again where an interruption fell into a destructor, which cannot pass it on."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # A moment later, as what is raised in here is passed over, too. SIGINT may be ignored where a shell put us aside.
        threading.Timer(0.05, _thread.interrupt_main, (signal.SIGTERM,)).start()
    else:
        sys.__unraisablehook__(lost)


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else " ".join(["feast-skew", *sys.argv[1:2]])
    return f" (see {command} --help)"


def _stop(message: str, code: int) -> NoReturn:
    from feast_skew.render.wording import clean

    click.echo(f"feast-skew: {clean(message)}", err=True)
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
    if code == EXIT_INTERRUPTED:
        # An interruption of an exec, such as dataclasses make, is remembered by `python -m`, which then ends by SIGINT; a
        # further exec makes it forget.
        exec("")  # noqa: S102
    sys.exit(code)
