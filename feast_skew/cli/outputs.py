"""Where reports go: the terminal, standard output, files."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from feast_skew.cli.streams import abandon_stdout
from feast_skew.config import suggestion
from feast_skew.errors import ConfigError, UnwritableOutput
from feast_skew.files import check_writable, write_whole
from feast_skew.owners import NOBODY, file_name, for_owner, owners_of
from feast_skew.render.base import BINARY, load_renderers
from feast_skew.render.terminal import render_text
from feast_skew.report import SkewReport

OWNER = "{owner}"


@dataclass(frozen=True)
class Output:
    """One wanted form of the report; no path means standard output. `{owner}` in a path stands for a file for each owner."""

    form: str
    path: Path | None

    @property
    def per_owner(self) -> bool:
        """Whether every owner gets a file."""
        return self.path is not None and OWNER in self.path.name


def parse_outputs(wanted: Sequence[str], known: Collection[str] | None = None) -> list[Output]:
    """Read `FORMAT=PATH` options and make sure that every file can be written; `known` are the formats, those of reports by default.

    Raises
    ------
    ConfigError
        For unknown formats, missing paths, places that cannot be written, and bytes that would go to a terminal.
    """
    known = load_renderers() if known is None else known
    outputs: list[Output] = []
    for text in wanted:
        form, separator, path = text.partition("=")
        if not separator or not form or not path:
            raise ConfigError(f"--output {text!r} is not FORMAT=PATH", hint="write it as json=report.json")
        if form not in known:
            raise ConfigError(f"--output {text!r}: there is no format {form!r}", hint=suggestion(form, known))
        output = Output(form, None if path == "-" else Path(path).expanduser())
        if output.path is not None:
            check_writable(output.path.with_name(output.path.name.replace(OWNER, file_name(NOBODY))))
        elif form in BINARY and sys.stdout.isatty():
            raise ConfigError(f"--output {text!r}: {form} is no text for a terminal", hint="name a file, or a pipe")
        outputs.append(output)
    if sum(output.path is None for output in outputs) > 1:
        raise ConfigError("only one --output can go to standard output", hint="write the others to files")
    files = [output.path.resolve() for output in outputs if output.path is not None]
    twice = next((path for path in files if files.count(path) > 1), None)
    if twice is not None:
        raise ConfigError(f"two --output would write {twice}", hint="give each a file of its own")
    return outputs


def deliver(report: SkewReport, outputs: Sequence[Output], *, quiet: bool) -> None:
    """Write the report to its files and to standard output, the table too unless quiet or replaced by `-`.

    What cannot be written does not keep the rest from being told.

    Raises
    ------
    UnwritableOutput
        After everything else was delivered.
    """
    renderers = load_renderers()
    forms = {form: partial(render, report) for form, render in renderers.items()}
    plain = [output for output in outputs if not output.per_owner]
    shown = partial(render_text, report, colour=use_colour(), width=terminal_width())
    for output in outputs:
        if output.per_owner and output.path is not None:
            for owner in owners_of(report):
                own = output.path.with_name(output.path.name.replace(OWNER, file_name(owner)))
                forms[str(own)] = partial(renderers[output.form], for_owner(report, owner))
                plain.append(Output(str(own), own))
    deliver_texts(forms, plain, None if quiet else shown, f"the run is {report.verdict.value}")


def deliver_texts(
    forms: Mapping[str, Callable[[], str | bytes]],
    outputs: Sequence[Output],
    shown: Callable[[], str] | None,
    outcome: str,
) -> None:
    """Write what the outputs ask for, and `shown` to standard output where none of them goes there.

    Raises
    ------
    UnwritableOutput
        After everything else was delivered; it says the outcome, too.
    """
    trouble: Exception | None = None
    for output in outputs:
        if output.path is None:
            continue
        try:
            content, before = forms[output.form](), _step_so_far(output.path)
            write_whole(output.path, before.encode() + content if isinstance(content, bytes) else before + content)
        except OSError as error:
            trouble = UnwritableOutput(
                f"{outcome}, but output {output.path} cannot be written",
                hint=f"{error.strerror or error}; name another file",
            )
        except Exception as error:  # noqa: BLE001  a form that breaks keeps no other back; it is raised below
            trouble = error
    piped = next((output for output in outputs if output.path is None), None)
    if piped is not None:
        say(forms[piped.form](), encoding="utf-8")
    elif shown is not None:
        say(shown())
    if trouble is not None:
        raise trouble


def _step_so_far(path: Path) -> str:
    """Give what a step of GitHub Actions has put into its job summary; nothing for any other file.

    That file belongs to the whole step, which may have written to it, or run us for another service: we add to it.
    """
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary or not path.is_file() or path.resolve() != Path(summary).resolve():
        return ""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text if not text or text.endswith("\n\n") else text.rstrip("\n") + "\n\n"


def say(content: str | bytes, encoding: str | None = None) -> None:
    """Print to standard output; nobody listening is no trouble, a full disk is.

    A character that the terminal cannot show never ends a run: it is written as its code. Bytes are written as they are.

    Raises
    ------
    UnwritableOutput
        When standard output cannot be written.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    try:
        click.echo(content, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()
    except OSError as error:
        abandon_stdout()
        raise UnwritableOutput(
            "standard output cannot be written", hint=f"{error.strerror or error}; use --output FORMAT=PATH"
        ) from error


def use_colour() -> bool:
    """Tell whether standard output is a terminal that wants colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Give the width to wrap at: the terminal's, 100 columns at most and elsewhere."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)
