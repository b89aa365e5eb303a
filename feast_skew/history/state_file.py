"""The local state file: the semantic fingerprint and the source of every view that a run has seen."""

from __future__ import annotations

import errno
import fcntl
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from feast_skew.core.meaning import Meaning
from feast_skew.core.model import SourceVersion
from feast_skew.errors import ConfigError
from feast_skew.files import write_whole

STATE_VERSION = 1
DEFAULT_NAME = Path(".feast_skew") / "state.json"
_KEPT_VERSIONS = 20
_LOCK_SECONDS = 10.0


class StateFile:
    """Reads and extends one state file; safe when two runs write at the same time, never half-written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def versions(self, project: str, view: str) -> tuple[SourceVersion, ...]:
        """Give the versions of a view that were seen, oldest first; none for a new view or a missing file.

        Raises
        ------
        ConfigError
            When the file is damaged or was written by a newer version of feast-skew.
        """
        try:
            entries = self._read().get("projects", {}).get(project, {}).get(view, [])
            return tuple(SourceVersion(**entry) for entry in entries)
        except (AttributeError, TypeError) as error:
            raise self._damaged() from error

    def meanings(self, project: str) -> dict[str, Meaning]:
        """Give what each view meant when it was last applied through the gate, by name; empty for a missing file.

        Raises
        ------
        ConfigError
            When the file is damaged or was written by a newer version of feast-skew.
        """
        try:
            found = self._read().get("applied", {}).get(project, {})
            return {name: Meaning(name, entry["kind"], entry["parts"]) for name, entry in found.items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise self._damaged() from error

    def record(
        self,
        project: str,
        versions: Iterable[tuple[str, SourceVersion]],
        moment: str,
        applied: Sequence[Meaning] | None = None,
    ) -> None:
        """Note that these versions, by view, were seen now; earlier ones stay.

        `applied` are the meanings of all views of the project that are applied now, in place of those before.

        Raises
        ------
        ConfigError
            When the file cannot be written or read back.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                _take(lock)
                content = self._read()
                views = content.setdefault("projects", {}).setdefault(project, {})
                for view, version in versions:
                    views[view] = _with_version(views.get(view, []), version, moment)
                if applied is not None:
                    meanings = {one.name: {"kind": one.kind, "parts": dict(one.parts)} for one in applied}
                    content.setdefault("applied", {})[project] = meanings
                content["version"] = STATE_VERSION
                write_whole(self.path, json.dumps(content, indent=1, sort_keys=True))
        except OSError as error:
            raise ConfigError(
                f"state file {self.path} cannot be written",
                hint=f"{error.strerror or error}; set `state` to a path that can be",
            ) from error
        except (AttributeError, KeyError, TypeError) as error:
            raise self._damaged() from error

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged() from error
        if not isinstance(content, dict) or content.get("version", STATE_VERSION) != STATE_VERSION:
            raise ConfigError(
                f"state file {self.path} is of another version",
                hint="update feast-skew, or set `state` to another path",
            )
        return content

    def _damaged(self) -> ConfigError:
        return ConfigError(
            f"state file {self.path} cannot be read",
            hint="move it away to start a new one, or set `state` to another path",
        )


def _take(lock: IO[str]) -> None:
    """Wait for the other run that writes, but not for ever."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, f"another run has held it for {_LOCK_SECONDS:g} s") from None
            time.sleep(0.02)


def _with_version(entries: list[dict[str, Any]], version: SourceVersion, moment: str) -> list[dict[str, Any]]:
    for entry in entries:
        if entry["fingerprint"] == version.fingerprint:
            entry["last_seen"] = moment
            return sorted(entries, key=lambda e: str(e["last_seen"]))
    added = asdict(replace(version, first_seen=moment, last_seen=moment))
    return [*entries, added][-_KEPT_VERSIONS:]
