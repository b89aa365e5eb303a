"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from feast_skew.errors import ConfigError


def write_whole(path: Path, text: str) -> None:
    """Write a text file into a neighbour first and rename it over the target, so that no reader sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def check_writable(path: Path) -> None:
    """Make sure that a file can be written there, before any work is done for it.

    Raises
    ------
    ConfigError
        When the path is a directory, its directory is missing, or either may not be written.
    """
    if path.is_dir():
        raise ConfigError(f"output {path} is a directory", hint="name a file")
    if not path.parent.is_dir():
        raise ConfigError(f"output {path}: there is no directory {path.parent}", hint="make it first")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise ConfigError(f"output {path} cannot be written", hint=str(error.strerror)) from error
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"output {path} cannot be written", hint="the file is read-only")
