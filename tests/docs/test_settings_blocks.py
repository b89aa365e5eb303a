"""Settings in the documentation are ones that the program takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from feast_skew.config import Settings, read_config_file

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER = {"on", True, "jobs", "groups", "repos", "provider", "project"}
"""First keys of files that are not of this program."""


def blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL), 1):
            if not OTHER & set(yaml.safe_load(text)):
                yield f"{page.name} {number}", text


BLOCKS = dict(blocks())


def test_there_are_some() -> None:
    assert {"alerts.md 1", "alerts.md 2", "configuration.md 1", "README.md 1"} <= BLOCKS.keys()


@pytest.mark.parametrize("name", BLOCKS)
def test_settings(name: str, tmp_path: Path) -> None:
    file = tmp_path / "feast_skew.yaml"
    file.write_text(BLOCKS[name])
    layers = Settings()
    layers.add_layer(name, read_config_file(file))
    assert layers.run is not None
