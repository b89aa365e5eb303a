"""`feast-skew demo`: the story in one process, each step said before it is done."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feast_skew.cli.outputs import terminal_width, use_colour
from feast_skew.cli.progress import progress_for
from feast_skew.demo.flights import REDIS_VARIABLE
from feast_skew.embedded.redis_server import find_server
from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, ConfigError
from feast_skew.measuring.progress import Progress

if TYPE_CHECKING:
    from feast_skew.demo.flights import FlightsRepository

SERVICE = "departure_delay_model"
VIEW = "plane_delays"
FEATURE = "avg_dep_delay"
USUAL_PSI_ALARM = 0.2
# A short story gains more from a quick start of Spark than from its last optimisation.
_QUICK = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1", "spark.sql.shuffle.partitions": "2"}


def run_demo(options: Mapping[str, Any]) -> int:
    """Tell the story; give 0 when every chapter ended as it should."""
    keep = _new_directory(options["keep"]) if options["keep"] is not None else None
    if not os.environ.get(REDIS_VARIABLE):
        find_server()
    scratch = Path(tempfile.mkdtemp(prefix="feast-skew-demo-"))
    try:
        return _Story(
            keep or scratch / "feature_repo",
            kept=keep is not None,
            on_spark=options["engine"] == "spark",
            progress=progress_for(not options["no_progress"]),
        ).tell()
    except BaseException:
        if keep is not None:
            shutil.rmtree(keep, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _new_directory(name: str) -> Path:
    """Make sure that a directory of that name can be made; the story is told inside it."""
    path = Path(name).expanduser().absolute()
    if path.exists() or path.is_symlink():
        raise ConfigError(f"--keep {name} is already there", hint="name a new directory")
    try:
        path.mkdir(parents=True)
        path.rmdir()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--keep {name} cannot be made", hint=f"{reason}; name another directory") from error
    return path


@dataclass(frozen=True)
class _Seen:
    """What the story goes on with: the verdict, how many values of the feature are wrong, and what to do."""

    verdict: str
    wrong: float | None
    psi: float | None
    remedy: str


def _seen(report: Mapping[str, Any]) -> _Seen:
    features = report["features"]
    metrics = next(f for f in features if (f["view"], f["feature"]) == (VIEW, FEATURE))["metrics"]
    remedy = next((cause["remedy"] for feature in features for cause in feature["causes"]), "")
    return _Seen(report["verdict"], metrics["mismatch_rate"]["value"], metrics["psi"]["value"], remedy)


class _Story:
    def __init__(self, directory: Path, *, kept: bool, on_spark: bool, progress: Progress) -> None:
        self._directory = directory
        self._kept = kept
        self._on_spark = on_spark
        self._progress = progress
        self._begin = time.monotonic()
        self._chapter = 0

    def tell(self) -> int:
        from feast_skew.demo.flights import FlightsRepository, redis_named

        self._say(
            "A Feast repository on the 336,776 flights out of New York in 2013",
            f"model {SERVICE} learns {FEATURE}, the mean departure delay of a plane over 30 days",
        )
        theirs = os.environ.get(REDIS_VARIABLE)
        # In a server of somebody's own, a project name that nobody else has keeps our keys apart from all others.
        project = f"flights_demo_{secrets.token_hex(4)}" if theirs else None
        with self._spark(), self._redis(theirs) as address, redis_named(address):
            with self._step("copying it and computing its features"):
                repository = FlightsRepository(self._directory, project, on_spark=self._on_spark)
                repository.build(30)
            self._load_feast()
            repository.check_server()
            try:
                with self._step("feast apply"):
                    repository.apply()
                with self._step("feast materialize 2013-01-01 2014-01-02"):
                    repository.materialize()
                clean = self._validate("feast-skew validate, on the fresh repository")
                broken = self._change(repository)
                healed = self._repair(repository, broken)
            except BaseException:
                if theirs:
                    with contextlib.suppress(Exception):
                        repository.clear_online()
                raise
            if theirs and not self._kept:
                with self._step(f"removing the keys of {project} from your server"):
                    repository.clear_online()
        verdicts = [seen.verdict for seen in (clean, broken, healed)]
        seconds = time.monotonic() - self._begin
        if verdicts == ["pass", "fail", "pass"]:
            click.echo(
                f"\nDone in {seconds:.0f} s: passed when clean, failed on the silent change, passed after repair."
            )
            if self._kept and theirs:
                click.echo(
                    f"The repository is in {self._directory}, its rows are in your server under project {project}; "
                    "`feast teardown` there removes them."
                )
            elif self._kept:
                click.echo(
                    f"The repository is in {self._directory}; set {REDIS_VARIABLE} to a server of yours to go on."
                )
            return EXIT_PASS
        click.echo(f"\nThe story did not go as it should: {', '.join(verdicts)} instead of pass, fail, pass.", err=True)
        return EXIT_NOT_MEASURED

    def _change(self, repository: FlightsRepository) -> _Seen:
        self._say(
            "Somebody shortens the window, under the same feature name",
            "Feast's Redis store never overwrites a row with one that is not newer",
        )
        before, after = repository.set_window(30, 7)
        click.echo(f"    sources.py\n    - {before}\n    + {after}")
        with self._step("computing the 7-day features"):
            repository.build(7)
        with self._step("feast apply"):
            repository.apply()
        with self._step("feast materialize 2013-01-01 2014-01-02"):
            printed = repository.materialize()
        for line in printed.splitlines():
            if line.startswith("Materializing"):
                click.echo(f"    Feast says: {click.unstyle(line)}")
        click.echo("    No error, no warning.")
        seen = self._validate("feast-skew validate, again")
        if seen.wrong is not None and seen.psi is not None and seen.psi < USUAL_PSI_ALARM < seen.wrong:
            click.echo(
                f"\n    {FEATURE} is wrong for {seen.wrong:.0%} of the planes at a PSI of {seen.psi:.2f}: "
                f"an alarm at {USUAL_PSI_ALARM} would have stayed silent."
            )
        return seen

    def _repair(self, repository: FlightsRepository, broken: _Seen) -> _Seen:
        self._say("The remedy", broken.remedy)
        with self._step(f"feast materialize --views {VIEW}, with skip_dedup: true"):
            repository.materialize([VIEW], skip_dedup=True)
        return self._validate("feast-skew validate, after the repair")

    def _validate(self, title: str) -> _Seen:
        from feast_skew.demo.flights import END

        words = ["--service", SERVICE, "--as-of", f"{END:%Y-%m-%d}", "--show-entities"]
        self._say(
            title.replace("feast-skew validate", "spark-submit validate_skew.py") if self._on_spark else title,
            " ".join(words),
        )
        width = terminal_width() - 4
        if self._on_spark:
            from feast_skew.demo.spark import submit_validate

            submitted = submit_validate("--repo", str(self._directory), *words, width=width)
            text, report = submitted.text, submitted.report
        else:
            from feast_skew import api
            from feast_skew.render.terminal import render_text

            made = api.validate(
                self._directory,
                services=[SERVICE],
                as_of=END,
                progress=self._progress,
                settings={"show_entities": True},
            )
            text, report = render_text(made, colour=use_colour(), width=width), made.to_dict()
        click.echo("\n" + "\n".join(f"    {line}".rstrip() for line in text.splitlines()))
        return _seen(report)

    @contextlib.contextmanager
    def _spark(self) -> Iterator[None]:
        """Have a session for what Feast itself does on Spark."""
        if not self._on_spark:
            yield
            return
        from feast_skew.engines.spark.session import open_session

        with contextlib.ExitStack() as open_until_the_end:
            with self._step("starting Spark"):
                open_until_the_end.enter_context(open_session("feast-skew demo", settings=_QUICK))
            yield

    @contextlib.contextmanager
    def _redis(self, theirs: str | None) -> Iterator[str]:
        if theirs:
            click.echo(f"    using the server that {REDIS_VARIABLE} names")
            yield theirs
            return
        from feast_skew.embedded.redis_server import EmbeddedRedis

        with self._step("starting a Redis-compatible server"):
            server = EmbeddedRedis()
            server.start()
        try:
            yield server.connection_string
        finally:
            server.stop()

    def _load_feast(self) -> None:
        with self._step("loading Feast"):
            from feast_skew import api  # noqa: F401
            from feast_skew.stores import feast_online, feast_repository  # noqa: F401

    def _say(self, title: str, detail: str) -> None:
        self._chapter += 1
        head = f"{self._chapter}. {title}"
        click.echo("\n" + (click.style(head, bold=True) if use_colour() else head))
        click.echo(textwrap.fill(detail, terminal_width(), initial_indent="    ", subsequent_indent="    "))

    @contextlib.contextmanager
    def _step(self, text: str) -> Iterator[None]:
        click.echo(f"    {text} ... ", nl=False)
        sys.stdout.flush()
        start = time.monotonic()
        try:
            yield
        except BaseException:
            click.echo("")
            raise
        click.echo(f"{time.monotonic() - start:.1f} s")
