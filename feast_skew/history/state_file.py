"""The state file: what a repository remembered of definitions before there was a database. It is read and taken over, never written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from feast_skew.core.meaning import Meaning
from feast_skew.core.model import SourceVersion
from feast_skew.errors import ConfigError

STATE_VERSION = 1
DEFAULT_NAME = Path(".feast_skew") / "state.json"


class StateFile:
    """Reads one state file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def versions(self) -> dict[str, dict[str, tuple[SourceVersion, ...]]]:
        """Give the versions of views that were seen, oldest first, by project and view; none for a missing file.

        Raises
        ------
        ConfigError
            When the file is damaged or was written by a newer version of feast-skew.
        """
        try:
            return {
                project: {view: tuple(map(_version, found)) for view, found in views.items()}
                for project, views in self._read().get("projects", {}).items()
            }
        except (AttributeError, TypeError) as error:
            raise self._damaged() from error

    def meanings(self) -> dict[str, dict[str, Meaning]]:
        """Give what each view meant when it was last applied through the gate, by project and name; none for a missing file.

        Raises
        ------
        ConfigError
            When the file is damaged or was written by a newer version of feast-skew.
        """
        try:
            return {
                project: {name: _meaning(name, one) for name, one in found.items()}
                for project, found in self._read().get("applied", {}).items()
            }
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
                hint="update feast-skew, or move the file away to start anew",
            )
        return content

    def _damaged(self) -> ConfigError:
        return ConfigError(
            f"state file {self.path} cannot be read",
            hint="move it away to start anew",
        )


def _version(entry: dict[str, Any]) -> SourceVersion:
    """Give a version of a view; a TypeError for anything else, which would come up wherever it is used."""
    found = SourceVersion(**entry)
    texts = (found.fingerprint, found.source_name, found.first_seen, found.last_seen)
    if not all(isinstance(text, str) for text in texts) or not isinstance(found.source, dict):
        raise TypeError(f"{entry!r} is no version of a view")
    return found


def _meaning(name: str, entry: dict[str, Any]) -> Meaning:
    kind, parts = entry["kind"], entry["parts"]
    if not isinstance(kind, str) or not isinstance(parts, dict):
        raise TypeError(f"{name} is a {kind!r} with {parts!r}")
    return Meaning(name, kind, parts)
