"""A private copy of the flights repository with everything that the story does to it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

from feast_skew.errors import ConfigError

START = datetime(2013, 1, 1, tzinfo=timezone.utc)
END = datetime(2014, 1, 2, tzinfo=timezone.utc)
REDIS_VARIABLE = "FEAST_SKEW_REDIS"
_EXPECTATIONS = "expectations"
_WINDOW = "WINDOW_DAYS = {days}"


def find_repository() -> Path:
    """Find the flights repository: inside the installed package, or beside it in a checkout.

    Raises
    ------
    ConfigError
        When the package was installed without it.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_feature_repo", package.parent / "feature_repo"):
        if (place / "feature_store.yaml").is_file():
            return place
    raise ConfigError(
        "the demo's repository is not part of this installation", hint="install feast-skew from its wheel"
    )


def find_expectations() -> Path:
    """Find the suites of the flights repository: in the installed package, or beside it in a checkout.

    Raises
    ------
    ConfigError
        When the package was installed without them.
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package / _EXPECTATIONS, package.parent / _EXPECTATIONS):
        if any(place.glob("*.json")):
            return place
    raise ConfigError("the demo's suites are not part of this installation", hint="install feast-skew from its wheel")


class FlightsRepository:
    """A copy of the flights repository in a directory of its own, by wish with Feast's Spark store as its offline store."""

    def __init__(self, directory: Path, project: str | None = None, *, on_spark: bool = False) -> None:
        self.directory = directory
        ignore = shutil.ignore_patterns("features", "__pycache__", "registry.db", ".feast_skew", ".*_cache")
        shutil.copytree(find_repository(), directory, ignore=ignore)
        # The suites come into the copy: beside it is a place of the user's, where nothing is to be left.
        suites = directory / _EXPECTATIONS
        suites.mkdir()
        for suite in sorted(find_expectations().glob("*.json")):
            shutil.copy(suite, suites)
        settings = directory / "feature_store.yaml"
        text = settings.read_text().replace(f"../{_EXPECTATIONS}", _EXPECTATIONS)
        settings.write_text(text.replace("project: flights\n", f"project: {project}\n") if project else text)
        if on_spark:
            _put_on_spark(directory)
        self._pipeline = _load(directory / "pipeline" / "build_features.py", "feast_skew_demo_pipeline")

    def build(self, window_days: int) -> None:
        """Compute the feature tables, `plane_delays` over a window of that many days."""
        self._pipeline.build(self.directory / "data", window_days)

    def live_rows(self, as_of: str, window_days: int = 30, days: int = 1) -> Any:
        """Give rows as the stream would push them, at the instants of the last departures."""
        return self._pipeline.live_rows(self.directory / "data", as_of, window_days, days=days)

    def set_window(self, old: int, new: int) -> tuple[str, str]:
        """Change the window in sources.py, as somebody would; give the line before and after."""
        file = self.directory / "sources.py"
        before, after = _WINDOW.format(days=old), _WINDOW.format(days=new)
        text = file.read_text()
        if before not in text:
            raise ConfigError(f"{file} does not hold {before!r}")
        file.write_text(text.replace(before, after))
        return before, after

    def apply(self) -> str:
        """Do what `feast apply` does; give what it printed."""
        from feast.repo_config import load_repo_config
        from feast.repo_operations import apply_total

        config = load_repo_config(self.directory, self.directory / "feature_store.yaml")
        with _as_repository(self.directory), _captured() as printed:
            apply_total(config, self.directory, skip_source_validation=False)
        return printed.getvalue()

    def check_server(self) -> None:
        """Make sure that the server answers, with an error that names the trouble where it does not."""
        from feast import FeatureStore

        from feast_skew.stores.feast_online import FeastOnlineReader
        from feast_skew.stores.redis.client import check_address

        store = FeatureStore(repo_path=str(self.directory))
        check_address(store, REDIS_VARIABLE)
        with contextlib.closing(FeastOnlineReader(store)) as reader:
            reader.check()

    def clear_online(self) -> None:
        """Remove what the repository wrote to its server, and nothing else: the keys that end in its project's name."""
        from feast import FeatureStore
        from feast.infra.provider import get_provider

        store = FeatureStore(repo_path=str(self.directory))
        provider: Any = get_provider(store.config)
        with _captured():
            provider.online_store.teardown(store.config, store.list_feature_views(), store.list_entities())

    def materialize(self, views: Sequence[str] | None = None, *, skip_dedup: bool = False) -> str:
        """Do what `feast materialize` does over the whole year; give what it printed.

        `skip_dedup` sets the online store's option of that name for this one run: rows are written even where the store
        holds one with the same timestamp.
        """
        from feast import FeatureStore

        store = FeatureStore(repo_path=str(self.directory))
        if skip_dedup:
            store.config.online_store.skip_dedup = True
        with _captured() as printed:
            store.materialize(START, END, feature_views=list(views) if views else None)
        return printed.getvalue()


def _put_on_spark(directory: Path) -> None:
    """Have the files of a copy name Feast's Spark store, and its kind of source over the same tables."""
    _replace(directory / "feature_store.yaml", ("  type: dask  # parquet files\n", _SPARK_STORE))
    # Feast resolves relative paths of files against the repository, and leaves those of Spark to Spark.
    _replace(
        directory / "sources.py",
        ("import json\n", "import json\nfrom pathlib import Path\n"),
        ("from feast import FileSource, PushSource\n", f"from feast import PushSource\n{_SPARK_SOURCE}"),
        ("FileSource(", "SparkSource("),
        (' path=f"', ' file_format="parquet", path=f"{Path(__file__).parent}/'),
        (' path="', ' file_format="parquet", path=f"{Path(__file__).parent}/'),
    )


_SPARK_SOURCE = "from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource\n"
_SPARK_STORE = """\
  type: spark
  spark_conf:  # of a session that Feast makes; it takes the one that is there, where there is one
    spark.master: "local[*]"
    spark.sql.session.timeZone: UTC
    spark.ui.enabled: "false"
"""


def _replace(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for before, after in changes:
        if before not in text:
            raise ConfigError(f"{file} does not hold {before!r}")
        text = text.replace(before, after)
    file.write_text(text)


@contextlib.contextmanager
def redis_named(connection_string: str) -> Iterator[None]:
    """Let feature_store.yaml name this server for a while."""
    before = os.environ.get(REDIS_VARIABLE)
    os.environ[REDIS_VARIABLE] = connection_string
    try:
        yield
    finally:
        if before is None:
            del os.environ[REDIS_VARIABLE]
        else:
            os.environ[REDIS_VARIABLE] = before


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield printed


@contextlib.contextmanager
def _as_repository(directory: Path) -> Iterator[None]:
    """Import the repository's files afresh from their directory, and leave no trace of them."""
    names = {file.stem for file in directory.glob("*.py")}
    cwd = Path.cwd()
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        os.chdir(cwd)
        sys.path.remove(str(directory))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


def _load(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
