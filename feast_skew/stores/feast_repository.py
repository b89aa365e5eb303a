"""Opens a Feast repository, and says plainly what is wrong with one that cannot be opened."""

from __future__ import annotations

import copy
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from feast import FeatureStore
from feast.repo_config import OFFLINE_STORE_CLASS_FOR_TYPE, ONLINE_STORE_CLASS_FOR_TYPE

from feast_skew.config import read_yaml, suggestion
from feast_skew.errors import ConfigError
from feast_skew.stores.redis.client import check_address

YAML_NAME = "feature_store.yaml"
_REFERENCE = re.compile(r"\$\{(\w+)\}|^\$(\w+)$")
_READ = ("project", "provider", "registry", "online_store", "offline_store")
_STORES = {
    "online_store": (ONLINE_STORE_CLASS_FOR_TYPE, "OnlineStore"),
    "offline_store": (OFFLINE_STORE_CLASS_FOR_TYPE, "OfflineStore"),
}


def open_store(repo: Path) -> FeatureStore:
    """Open a Feast repository with a fresh registry.

    Raises
    ------
    ConfigError
        When there is no repository, its feature_store.yaml is broken, or nothing was applied yet.
    """
    content = _check_repository(repo)
    store = _opened(repo, content)
    file = registry_file(store, repo)
    if file is not None and not (file.is_file() and file.stat().st_size):
        # A file that is not there is not asked for, as Feast would make an empty one.
        raise ConfigError(f"{repo} has no registry yet", hint=f"run `feast apply` there first, it writes {file}")
    _refresh(store, repo)
    return store


def open_private(repo: Path, place: Path) -> FeatureStore:
    """Open a Feast repository with a copy of its registry, where that is a file or an SQL database; an empty one where nothing was applied yet.

    Feast writes to a registry that it opens: it makes one that is missing, and brings one of an older version up to date. The copy
    is the file `place`.

    Raises
    ------
    ConfigError
        When there is no repository, or its feature_store.yaml or its registry cannot be used.
    """
    content = _check_repository(repo)
    store = _opened(repo, content)
    if store.config.registry.registry_type == "sql":
        from feast_skew.stores.sql_registry import copy_registry

        copy_registry(store.config.registry, store.project, place)
        return _with_settings(store, {"registry_type": "sql", "path": f"sqlite:///{place}"}, repo)
    file = registry_file(store, repo)
    if file is None:
        _refresh(store, repo)
        return store
    try:
        place.write_bytes(file.read_bytes() if file.exists() else b"")
    except OSError as error:
        raise ConfigError(f"the registry {file} cannot be read", hint=error.strerror or str(error)) from error
    return with_registry(store, place, repo)


def with_registry(store: FeatureStore, file: Path, repo: Path) -> FeatureStore:
    """Give a store of the same settings with another file as its registry.

    Raises
    ------
    ConfigError
        When the file holds no registry.
    """
    return _with_settings(store, {"registry_type": "file", "path": str(file)}, repo)


def _with_settings(store: FeatureStore, registry: dict[str, Any], repo: Path) -> FeatureStore:
    """Give a store of the same settings with another registry."""
    config = copy.copy(store.config)
    config._registry = None
    config.registry_config = {**_kept(store), **registry}
    try:
        found = FeatureStore(repo_path=str(store.repo_path), config=config)
    except Exception as error:
        raise ConfigError(f"the registry of {repo} cannot be read", hint=_told(error)) from error
    _refresh(found, repo)
    return found


def _kept(store: FeatureStore) -> dict[str, Any]:
    """Give the registry's settings that change how stores are read."""
    names = ("enable_online_feature_view_versioning", "serve_features_while_materializing")
    return {name: getattr(store.config.registry, name) for name in names if hasattr(store.config.registry, name)}


def _check_repository(repo: Path) -> dict[str, Any]:
    if not repo.is_dir():
        what = "is a file" if repo.exists() else "does not exist"
        raise ConfigError(f"the directory {repo} {what}", hint=f"give the one that holds {YAML_NAME} to --repo")
    file = repo / YAML_NAME
    if not file.is_file():
        raise ConfigError(f"there is no {YAML_NAME} in {repo}", hint="give the directory that holds it to --repo")
    return _check_yaml(file)


def _opened(repo: Path, content: dict[str, Any]) -> FeatureStore:
    """Build the store from its settings; its registry is not asked for yet."""
    file = repo / YAML_NAME
    logging.getLogger("feast").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="feast")
    try:
        store = FeatureStore(repo_path=str(repo))
        online = store.config.online_store  # the stores' own settings are only parsed when first asked for
        store.config.offline_store  # noqa: B018
        store._get_provider()
        # Again: the module of the Spark store, which was imported meanwhile, asks for its warnings.
        warnings.filterwarnings("ignore", module="feast")
    except Exception as error:  # noqa: BLE001  told in one line
        raise ConfigError(f"{file} cannot be used", hint=_told(error, content)) from _without_values(error)
    if type(online).__name__.startswith("Redis"):
        check_address(store, str(file))
    return store


def registry_file(store: FeatureStore, repo: Path) -> Path | None:
    """Give the local file that is the registry of a repository, whether it is there or not; None for any other registry."""
    settings = store.config.registry
    path = str(getattr(settings, "path", "") or "")
    kind = getattr(settings, "registry_type", "file")
    if not path or "://" in path or kind != "file" or getattr(settings, "registry_store_type", None) is not None:
        return None
    return Path(path) if Path(path).is_absolute() else repo / path


def _refresh(store: FeatureStore, repo: Path) -> None:
    try:
        store.refresh_registry()
    except FileNotFoundError as error:
        raise ConfigError(f"{repo} has no registry yet", hint="run `feast apply` there first") from error
    except Exception as error:
        raise ConfigError(f"the registry of {repo} cannot be read", hint=_told(error)) from error


def settings_block(store: FeatureStore) -> dict[str, Any]:
    """Give the `feast_skew:` block of feature_store.yaml, empty when there is none."""
    block = getattr(store.config, "feast_skew", None)
    if block is None:
        return {}
    if not isinstance(block, dict):
        raise ConfigError(f"feast_skew: in {YAML_NAME} must hold settings by name", hint="for example `sample: 5000`")
    return block


def _check_yaml(file: Path) -> dict[str, Any]:
    """Find what Feast would only meet in the middle of something, or report with the values around it."""
    content = read_yaml(file, "repository file")
    if not content:
        raise ConfigError(f"{file} is empty", hint="`feast init` writes one to begin with")
    for place, text in _texts({name: content.get(name) for name in _READ}):
        for match in _REFERENCE.finditer(text):
            name = match.group(1) or match.group(2)
            if name not in os.environ:
                raise ConfigError(
                    f"{file}: {place} needs the environment variable {name}, which is not set",
                    hint=f"export {name}=... and run again",
                )
    for section, (known, suffix) in _STORES.items():
        settings = content.get(section)
        named = settings.get("type") if isinstance(settings, dict) else settings
        if isinstance(named, str) and not named.endswith(suffix):
            kind = os.path.expandvars(named)
            if kind not in known and not kind.endswith(suffix):
                raise ConfigError(f"{file}: {section}: Feast has no type {kind!r}", hint=suggestion(kind, known))
    return content


def _texts(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, place)


def _without_values(error: Exception) -> Exception | None:
    """Give an error to be shown as a cause; None for one of validation, whose text repeats the settings."""
    return None if hasattr(error, "errors") or (error.args and hasattr(error.args[0], "errors")) else error


def _told(error: Exception, content: Mapping[str, Any] | None = None) -> str:
    """Give what an error of Feast says, without the values that its validation repeats: one may be a password."""
    found: Any = error.args[0] if error.args and hasattr(error.args[0], "errors") else error
    if not hasattr(found, "errors"):
        return " ".join(str(found).split())[:300] or type(found).__name__
    first = found.errors()[0]
    place = [str(part) for part in first["loc"]]
    for section in _STORES:
        # Feast reports a store's own settings without saying where they stand.
        settings = (content or {}).get(section)
        if place and isinstance(settings, Mapping) and place[0] in settings:
            place.insert(0, section)
            break
    return f"{'.'.join(place) or 'settings'}: {_WORDS.get(first['type'], first['msg'])}"


_WORDS = {"missing": "missing, add it", "extra_forbidden": "Feast knows no such key, remove or correct it"}
