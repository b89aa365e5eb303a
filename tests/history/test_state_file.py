"""The file in which definitions were kept before there was a database: read as it was written, or damaged, never a crash later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feast_skew.core.meaning import Meaning
from feast_skew.errors import ConfigError
from feast_skew.history.state_file import StateFile

VERSION = {"fingerprint": "f", "source_name": "s", "source": {"path": "x"}, "first_seen": "a", "last_seen": "b"}
APPLIED = {"kind": "FeatureView", "parts": {"ttl": 1.0}}


def stored(tmp_path: Path, version: Any = VERSION, applied: Any = APPLIED) -> StateFile:
    content = {"version": 1, "projects": {"shop": {"pair": [version]}}, "applied": {"shop": {"pair": applied}}}
    (tmp_path / "state.json").write_text(json.dumps(content))
    return StateFile(tmp_path / "state.json")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = stored(tmp_path)
    assert file.versions()["shop"]["pair"][0].source == {"path": "x"}
    assert file.meanings() == {"shop": {"pair": Meaning("pair", "FeatureView", {"ttl": 1.0})}}


@pytest.mark.parametrize(
    "applied",
    [None, [], "x", {"kind": "FeatureView", "parts": None}, {"kind": "FeatureView", "parts": []},
     {"kind": None, "parts": {}}, {"parts": {}}],
)  # fmt: skip
def test_damaged_meanings(tmp_path: Path, applied: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        stored(tmp_path, applied=applied).meanings()


@pytest.mark.parametrize(
    "version", [None, [], "x", {}, {**VERSION, "source": None}, {**VERSION, "source": []}, {**VERSION, "last_seen": 5}]
)
def test_damaged_versions(tmp_path: Path, version: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        stored(tmp_path, version=version).versions()
