"""The objects of the repository, as Feast reads them, against the rules that it keeps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

REPO = Path(__file__).resolve().parents[2] / "feature_repo"
MODULES = ("entities", "sources", "plane_views", "route_views", "services")


@pytest.fixture(scope="module")
def contents() -> Iterator[Any]:
    """The repository as `feast apply` reads it."""
    from feast.repo_operations import parse_repo

    before, path = Path.cwd(), list(sys.path)
    os.chdir(REPO)
    sys.path.insert(0, str(REPO))
    forget()  # a repository that another test has read may have modules by the same names
    try:
        yield parse_repo(REPO)
    finally:
        os.chdir(before)
        sys.path[:] = path
        forget()


def forget() -> None:
    for name in MODULES:
        sys.modules.pop(name, None)


def test_feast_sees_the_objects_and_not_the_pipeline(contents: Any) -> None:
    """Four views over two sets of keys, a service per model."""
    keys = {view.name: sorted(view.entities) for view in contents.feature_views}
    assert keys == {
        "plane_delays": ["plane"],
        "plane_profile": ["plane"],
        "plane_live": ["plane"],
        "route_delays": ["dest", "origin"],
    }
    assert {service.name for service in contents.feature_services} == {
        "departure_delay_model",
        "route_planner_model",
        "live_delay_model",
    }
    assert not {"build_features", "extract_flights"} & {
        name.rpartition(".")[2] for name in sys.modules if name.startswith("pipeline")
    }


def test_every_object_has_an_owner_and_a_description(contents: Any) -> None:
    """A report names whom to ask about what."""
    from feast.feature_view import DUMMY_ENTITY

    named = [
        *(entity for entity in contents.entities if entity.name != DUMMY_ENTITY.name),
        *contents.data_sources,
        *contents.feature_views,
        *contents.feature_services,
    ]
    assert len(named) >= 3 + 5 + 4 + 3
    assert [item.name for item in named if not (item.description and "@" in item.owner)] == []
    fields = [field for view in contents.feature_views for field in view.features]
    assert [field.name for field in fields if not field.description] == []


def test_tags_are_settings_that_feast_skew_knows(contents: Any) -> None:
    """Each view has a runbook and a budget, and no tag is misspelt."""
    from feast_skew.config import tag_settings

    for view in contents.feature_views:
        settings = tag_settings(view.name, view.tags)
        assert {"runbook", "mismatch_budget"} <= set(settings)
        page, _, anchor = settings["runbook"].partition("#")
        headings = [
            line.lstrip("# ").lower().replace(" ", "-")
            for line in (REPO / page).read_text().splitlines()
            if line.startswith("#")
        ]
        assert anchor in headings
        for field in view.features:
            tag_settings(f"{view.name}:{field.name}", field.tags)


def test_definitions_name_columns_that_the_events_have(contents: Any) -> None:
    """A replay finds its file, keys, timestamp and value; windows are those of the sources."""
    from feast_skew.config import tag_settings
    from feast_skew.setting_values import parse_duration

    defined = 0
    for view in contents.feature_views:
        for field in view.features:
            meaning = tag_settings(field.name, field.tags).get("definition")
            if meaning is None:
                continue
            defined += 1
            columns = set(pq.read_schema(REPO / meaning["events"]).names)
            used = {*meaning["keys"].values(), meaning["timestamp"], meaning.get("value")}
            assert used - {None} <= columns
            assert parse_duration(meaning["window"]) == parse_duration("30d")
    assert defined >= 10


def test_sources_are_relative_and_have_the_declared_columns(contents: Any, tmp_path: Path) -> None:
    """The directory can be copied; every declared feature is a column of its table."""
    repo = tmp_path / "a copy"
    shutil.copytree(REPO, repo, ignore=shutil.ignore_patterns("features", "registry.db"))
    build = [sys.executable, str(repo / "pipeline" / "build_features.py")]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    for view in contents.feature_views:
        path = Path(view.batch_source.path)
        assert not path.is_absolute()
        columns = set(pq.read_schema(repo / path).names)
        assert {field.name for field in view.features} <= columns
        assert view.batch_source.timestamp_field in columns


def test_one_line_changes_the_window() -> None:
    """The change of the story is `WINDOW_DAYS = 30`, once, and the README names it."""
    text = (REPO / "sources.py").read_text()
    assert text.count("WINDOW_DAYS = 30") == 1
    assert "`WINDOW_DAYS = 7`" in (REPO / "README.md").read_text()
