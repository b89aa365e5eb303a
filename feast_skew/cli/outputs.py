"""Where reports go: the terminal, standard output, files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, EXIT_SKEW, ConfigError
from feast_skew.files import check_writable, write_whole
from feast_skew.render.base import load_renderers
from feast_skew.render.terminal import render_text
from feast_skew.report import SkewReport, Verdict


@dataclass(frozen=True)
class Output:
    """One wanted form of the report; no path means standard output."""

    form: str
    path: Path | None


def parse_outputs(wanted: Sequence[str]) -> list[Output]:
    """Read `FORMAT=PATH` options and make sure that every file can be written.

    Raises
    ------
    ConfigError
        For unknown formats, missing paths, and places that cannot be written.
    """
    known = load_renderers()
    outputs = []
    for text in wanted:
        form, separator, path = text.partition("=")
        if form not in known or not separator or not path:
            raise ConfigError(
                f"--output {text!r} is not FORMAT=PATH",
                hint=f"formats: {', '.join(sorted(known))}; for example json=report.json",
            )
        output = Output(form, None if path == "-" else Path(path))
        if output.path is not None:
            check_writable(output.path)
        outputs.append(output)
    if sum(output.path is None for output in outputs) > 1:
        raise ConfigError("only one --output can go to standard output", hint="write the others to files")
    return outputs


def deliver(report: SkewReport, outputs: Sequence[Output], *, quiet: bool) -> None:
    """Write the report to its files and to standard output, the table too unless quiet or replaced by `-`."""
    renderers = load_renderers()
    for output in outputs:
        if output.path is not None:
            try:
                write_whole(output.path, renderers[output.form](report))
            except OSError as error:
                raise ConfigError(f"output {output.path} cannot be written", hint=str(error.strerror)) from error
    piped = next((output for output in outputs if output.path is None), None)
    if piped is not None:
        click.echo(renderers[piped.form](report), nl=False)
    elif not quiet:
        click.echo(render_text(report, colour=use_colour(), width=terminal_width()), nl=False)


def use_colour() -> bool:
    """Tell whether standard output is a terminal that wants colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Give the width to wrap at: the terminal's, 100 columns at most and elsewhere."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)


def exit_code(report: SkewReport, *, fail_on: str, allow_inconclusive: bool) -> int:
    """Give the exit code that the contract names for a verdict."""
    verdict = report.verdict
    if verdict is Verdict.FAIL or (verdict is Verdict.WARN and fail_on == "warn"):
        return EXIT_SKEW
    if verdict is Verdict.ERROR or (verdict is Verdict.INCONCLUSIVE and not allow_inconclusive):
        return EXIT_NOT_MEASURED
    if fail_on == "warn" and any(feature.verdict is Verdict.WARN for feature in report.features):
        return EXIT_SKEW
    return EXIT_PASS
