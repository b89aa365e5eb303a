"""Opens what a repository remembers by its settings alone: neither Feast nor a store is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feast_skew.config import RunSettings, Settings, read_yaml
from feast_skew.errors import ConfigError
from feast_skew.history.memory import History, history_of

_REPOSITORY = "feature_store.yaml"


@dataclass(frozen=True)
class Remembered:
    """The history of a repository, its project, and the settings of its runs."""

    history: History
    project: str
    settings: RunSettings


def open_history(repo: Path, config: str | Path | None = None) -> Remembered:
    """Open the history of a repository.

    Raises
    ------
    ConfigError
        When there is no repository, its settings cannot be read, or say that nothing is remembered.
    """
    file = repo / _REPOSITORY
    if not file.is_file():
        raise ConfigError(f"there is no {_REPOSITORY} in {repo}", hint="give the directory that holds it to --repo")
    content = _expanded(read_yaml(file, "repository file"))
    settings = Settings.of_repository(content.get("feast_skew") or {}, repo, config).run
    history = history_of(settings, repo)
    if history is None:
        raise ConfigError("the settings say `history: false`, so nothing is remembered", hint="name a database there")
    return Remembered(history, str(content.get("project", "")), settings)


def _expanded(value: Any) -> Any:
    """Put in environment variables, as Feast does."""
    if isinstance(value, str):
        return os.path.expandvars(value)
    if isinstance(value, Mapping):
        return {key: _expanded(inner) for key, inner in value.items()}
    return [_expanded(inner) for inner in value] if isinstance(value, list) else value
