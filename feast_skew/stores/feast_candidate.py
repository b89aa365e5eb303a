"""A store as it would be after `feast apply`: the definitions of a repository in a registry of their own.

Nothing of it is written to the repository's registry, so that what a change would do can be measured before it is made.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from feast import FeatureStore
from feast.feature_store import _validate_data_sources
from feast.repo_contents import RepoContents

from feast_skew.errors import ConfigError
from feast_skew.stores.feast_repository import with_registry


def registered_views(store: FeatureStore) -> dict[str, Any]:
    """Give the views of all types that the registry holds, by name.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """
    return {view.name: view for view in _read(store, store.registry.list_all_feature_views)}


def registered_services(store: FeatureStore) -> dict[str, Any]:
    """Give the feature services that the registry holds, by name.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """
    return {service.name: service for service in _read(store, store.registry.list_feature_services)}


def _read(store: FeatureStore, ask: Any) -> Any:
    try:
        return ask(store.project, allow_cache=False)
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ConfigError("the registry cannot be read", hint=text) from error


def defined_views(contents: RepoContents) -> dict[str, Any]:
    """Give the views of all types that a repository defines, by name."""
    views = (
        *contents.feature_views,
        *contents.stream_feature_views,
        *contents.on_demand_feature_views,
        *contents.label_views,
    )
    return {view.name: view for view in views}


@contextlib.contextmanager
def candidate_store(store: FeatureStore, contents: RepoContents) -> Iterator[FeatureStore]:
    """Give a store whose registry holds what a repository defines, with the materializations of what is registered now.

    Parameters
    ----------
    store : FeatureStore
        Gives the settings of both stores, and what was materialized.
    contents : RepoContents
        Definitions whose features and keys are inferred already; they are copied.

    Raises
    ------
    ConfigError
        When Feast does not take the definitions.
    """
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        shadow = with_registry(store, Path(folder) / "registry.db", Path(str(store.repo_path)))
        try:
            _fill(shadow, contents, registered_views(store))
        except ConfigError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise ConfigError("Feast does not take the definitions", hint=text) from error
        yield shadow


def _fill(shadow: FeatureStore, contents: RepoContents, registered: dict[str, Any]) -> None:
    registry, project = shadow.registry, shadow.project
    for named in contents.projects:
        registry.apply_project(named, commit=False)
    for source in contents.data_sources:
        registry.apply_data_source(copy.deepcopy(source), project, commit=False)
    for entity in contents.entities:
        registry.apply_entity(copy.deepcopy(entity), project, commit=False)
    for name, view in defined_views(contents).items():
        taken, now = copy.copy(view), registered.get(name)
        if now is not None and hasattr(taken, "materialization_intervals"):
            taken.materialization_intervals = list(getattr(now, "materialization_intervals", ()))
        registry.apply_feature_view(taken, project, commit=False)
    for service in contents.feature_services:
        registry.apply_feature_service(copy.copy(service), project, commit=False)
    registry.commit()


def serve_as_now(candidates: Sequence[Any], registered: Mapping[str, Any]) -> None:
    """Let candidate views be read online where the present ones are: under the version that serving reads."""
    for view in candidates:
        now = registered.get(view.name)
        if now is not None and hasattr(now, "current_version_number"):
            view.current_version_number = now.current_version_number


def check_definitions(store: FeatureStore, contents: RepoContents, *, sources: bool, views: bool) -> None:
    """Infer features and keys of definitions as `feast plan` does, and let Feast check them: `sources`, and `views`.

    The definitions are completed in place. Nothing is written: a registry of their own takes what Feast would note.

    Raises
    ------
    ConfigError
        When Feast does not take them, with what it says.
    """
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        scratch = with_registry(store, Path(folder) / "registry.db", Path(str(store.repo_path)))
        try:
            if sources:
                for view in contents.feature_views:
                    if view.batch_source is not None:
                        scratch._get_provider().validate_data_source(scratch.config, view.batch_source)
            _infer(scratch, contents, checks=views)
        except Exception as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise ConfigError("Feast does not take the definitions", hint=text) from error


def _infer(store: FeatureStore, contents: RepoContents, *, checks: bool) -> None:
    """Do what Feast's `plan` does before it compares anything; the rest of it makes the file of a SQLite store, even to plan."""
    if checks:
        store._validate_all_feature_views(
            contents.feature_views,
            contents.on_demand_feature_views,
            contents.stream_feature_views,
            contents.label_views,
        )
    _validate_data_sources(contents.data_sources)
    store._make_inferences(
        contents.data_sources,
        contents.entities,
        contents.feature_views,
        contents.on_demand_feature_views,
        contents.stream_feature_views,
        contents.feature_services,
        contents.label_views,
    )
