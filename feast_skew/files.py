"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from feast_skew.errors import ConfigError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file into a neighbour first and rename it over the target, so that no reader sees half of it; text as UTF-8.

    A link is followed, and what is no file (a pipe, a device) is written to as it is.
    """
    target = path.resolve()
    # As bytes, so that the line ends of a format stay what they are on every system.
    content = content.encode() if isinstance(content, str) else content
    if _is_special(path):
        with path.open("wb") as stream:
            stream.write(content)
        return
    handle, neighbour = _open_neighbour(target)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            neighbour.chmod(target.stat().st_mode & 0o7777)
        neighbour.replace(target)
    except BaseException:
        with suppress(OSError):
            neighbour.unlink()
        raise


def check_writable(path: Path) -> None:
    """Make sure that a file can be written there, before any work is done for it.

    Raises
    ------
    ConfigError
        When the path is a directory, its directory is missing, or either may not be written.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"output {path} is a directory", hint="name a file")
        if not path.parent.is_dir():
            raise ConfigError(f"output {path}: there is no directory {path.parent}", hint="make it first")
        if path.exists() and not os.access(path, os.W_OK):
            raise ConfigError(f"output {path} cannot be written", hint="the file is read-only")
        if not _is_special(path):
            handle, neighbour = _open_neighbour(path.resolve())
            os.close(handle)
            neighbour.unlink()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"output {path} cannot be written", hint=f"{reason}; name another file") from error


def _is_special(path: Path) -> bool:
    """Tell what must never be replaced by a file of ours."""
    return path.exists() and (not path.is_file() or path.absolute().parts[1:2] == ("dev",))


def _open_neighbour(target: Path) -> tuple[int, Path]:
    """Open a new file beside the target, with the permissions that the user's umask gives."""
    neighbour = target.parent / f".feast_skew-{secrets.token_hex(6)}.tmp"
    return os.open(neighbour, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), neighbour
