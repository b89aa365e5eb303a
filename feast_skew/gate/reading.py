"""Reads a repository for the gate: what is registered, what its files define, and what differs in meaning."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feast_skew.assembly import layered
from feast_skew.config import Settings
from feast_skew.core.meaning import Meaning
from feast_skew.core.model import SourceVersion
from feast_skew.errors import ConfigError
from feast_skew.gate.changes import Change, changes_between
from feast_skew.gate.memory import as_applied, comparable
from feast_skew.gate.passing import inside
from feast_skew.gate.proposal import Applied
from feast_skew.gate.reach import Reader
from feast_skew.history.memory import History, history_of
from feast_skew.measuring.progress import Progress


@dataclass(frozen=True)
class Asked:
    """What was asked of a plan: the repository, settings laid over its own, and what Feast is not to check.

    `entities` is a file of those to compare instead of a sample, with the request data of on-demand views. `imported` tells that this process has imported the definitions already and goes on with them.
    """

    repo: Path
    config: str | Path | None = None
    settings: Mapping[str, Any] | None = None
    engine: str = "local"
    skip_source_validation: bool = False
    skip_view_validation: bool = False
    imported: bool = False
    entities: str | Path | None = None


@dataclass(frozen=True)
class Read:
    """What was read of a repository: its store, definitions and settings, and the views and services of both by name.

    `changes` and `service_changes` are what differs in meaning; `applied` is what to remember when it is applied.
    """

    store: Any
    contents: Any
    settings: Settings
    registered: Mapping[str, Any]
    defined: Mapping[str, Any]
    services: Mapping[str, Any]
    defined_services: Mapping[str, Any]
    changes: tuple[Change, ...]
    service_changes: tuple[Change, ...]
    applied: Applied

    @property
    def readers(self) -> list[Reader]:
        """Everything that reads views, as it is defined now, or else as it was."""
        views, services = {**self.registered, **self.defined}, {**self.services, **self.defined_services}
        return [*map(_reader, services.values()), *map(_reader, views.values())]

    @property
    def owners(self) -> dict[str, list[str]]:
        """The owner of each view that has one."""
        views = {**self.registered, **self.defined}
        return {name: [view.owner] for name, view in views.items() if getattr(view, "owner", "")}


@contextlib.contextmanager
def read(asked: Asked, progress: Progress) -> Iterator[Read]:
    """Read a repository, and find what differs in meaning; nothing is written.

    Raises
    ------
    ConfigError
        When there is no repository, its definitions cannot be read, Feast does not take them, or settings are wrong.
    """
    from feast_skew.stores.feast_candidate import (
        check_definitions,
        defined_views,
        registered_services,
        registered_views,
    )
    from feast_skew.stores.feast_definitions import parse_definitions
    from feast_skew.stores.feast_meaning import meaning_of
    from feast_skew.stores.feast_repository import open_private

    with inside(), tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        with progress.stage("reading the registry", None, ""):
            store = open_private(asked.repo, Path(folder) / "registered.db")
        with progress.stage("reading the definitions", None, ""):
            contents = parse_definitions(store, asked.repo, imported=asked.imported).contents
            sources, views = not asked.skip_source_validation, not asked.skip_view_validation
            check_definitions(store, contents, sources=sources, views=views)
        registered, defined = registered_views(store), defined_views(contents)
        services, defined_services = registered_services(store), {one.name: one for one in contents.feature_services}
        settings = layered(store, asked.repo, asked.config, asked.settings or {})
        history = history_of(settings.run, asked.repo)
        before = {name: meaning_of(view) for name, view in registered.items()}
        after = {name: meaning_of(view, defined=True) for name, view in defined.items()}
        remembered = _remembered(history, store.project)
        yield Read(
            store,
            contents,
            settings,
            registered,
            defined,
            services,
            defined_services,
            changes_between(
                {name: as_applied(one, remembered.get(name)) for name, one in before.items()},
                {name: comparable(before.get(name), one, remembered.get(name)) for name, one in after.items()},
            ),
            changes_between(
                {name: meaning_of(one) for name, one in services.items()},
                {name: meaning_of(one) for name, one in defined_services.items()},
            ),
            Applied(history, _seen(registered, defined), tuple(after.values())),
        )


def _remembered(history: History | None, project: str) -> dict[str, Meaning]:
    """Give what was applied last; a history that cannot be read tells nothing."""
    try:
        return {} if history is None else history.definitions.meanings(project)
    except ConfigError:
        return {}


def _seen(registered: Mapping[str, Any], defined: Mapping[str, Any]) -> tuple[tuple[str, SourceVersion], ...]:
    """Give every definition with a source that is registered, then every one that is defined."""
    from feast_skew.stores.feast_registry import source_version

    views = [(name, view) for views in (registered, defined) for name, view in views.items()]
    return tuple(
        (name, source_version(view)) for name, view in views if getattr(view, "batch_source", None) is not None
    )


def _reader(one: Any) -> Reader:
    """Describe a service or a view by what it reads."""
    tags = getattr(one, "tags", None) or {}
    if hasattr(one, "feature_view_projections"):
        named = [name.strip() for tag in ("model", "models") for name in str(tags.get(tag, "")).split(",")]
        reads = frozenset(use.name for use in one.feature_view_projections)
        return Reader(one.name, reads, True, one.owner or "", tuple(name for name in named if name))
    used = getattr(one, "source_feature_view_projections", None) or {}
    derived = getattr(one, "source_views", None) or ()
    return Reader(one.name, frozenset([use.name for use in used.values()] + [view.name for view in derived]), False)
