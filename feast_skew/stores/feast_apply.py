"""Feast's own `apply`, in this process: on the definitions that were read already, with its flags as they were given."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from feast_skew.errors import ConfigError, StoreUnavailable


def check_flags(flags: Sequence[str]) -> None:
    """Make sure that `feast apply` knows some flags, before any work is done.

    Raises
    ------
    ConfigError
        When it does not.
    """
    _import_command_line()
    from feast.cli.cli import apply_total_command

    try:
        apply_total_command.make_context("apply", list(flags), resilient_parsing=False).close()
    except click.ClickException as error:
        raise ConfigError("feast apply", hint=" ".join(error.format_message().split())) from error


def feast_apply(repo: Path, flags: Sequence[str]) -> None:
    """Run `feast apply` over a repository, printing to standard error.

    Modules of the repository that were imported before are not imported again, so what is applied is what was read.

    Raises
    ------
    ConfigError
        For flags that Feast does not know, and definitions that it does not take.
    StoreUnavailable
        When it fails later; what it has written by then depends on the registry.
    """
    _import_command_line()
    from feast.cli.cli import cli

    try:
        with _back_afterwards(), contextlib.redirect_stdout(sys.stderr):
            cli.main(["--chdir", str(repo), "apply", *flags], prog_name="feast", standalone_mode=False)
    except click.ClickException as error:
        raise ConfigError("feast apply", hint=" ".join(error.format_message().split())) from error
    except SystemExit as error:
        if error.code not in (None, 0):
            raise ConfigError("feast apply did not go through", hint="see what it printed above") from error
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise StoreUnavailable("feast apply failed", hint=text) from error


def _import_command_line() -> None:
    """Import Feast's command line, one module of which has everything logged from then on, and take that back."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    importlib.import_module("feast.cli.cli")
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)


@contextlib.contextmanager
def _back_afterwards() -> Iterator[None]:
    """Come back to this directory: Feast changes into the repository and stays."""
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)
