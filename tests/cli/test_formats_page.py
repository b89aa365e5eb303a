"""Every command of docs/formats.md runs, and its alerts name metrics that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from rides import ROOT, Repository, Run
from servers.gateway import Gateway

PAGE = (ROOT / "docs" / "formats.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def placed(text: str, places: dict[str, object]) -> str:
    """Put this machine's places into what the page shows."""
    for shown, place in places.items():
        text = text.replace(shown, str(place))
    return text


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_the_commands(run: Run, repo: Repository, tmp_path: Path) -> None:
    with Gateway() as gateway:
        places = {
            "path/to/feature_repo": repo.path,
            "http://gateway:9091": gateway.url,
            "/var/lib/node_exporter": tmp_path,
        }
        commands = [line for block in blocks("sh") for line in block.splitlines()]
        assert len(commands) == 3
        places["=skew."] = f"={tmp_path}/skew."
        for line in commands:
            program, *words = shlex.split(placed(line, places))
            assert program == "feast-skew"
            assert run(*words, "--as-of", "2026-03-10").code == 0
        (code,) = blocks("python")
        exec(placed(code, places), {})
    assert len(gateway.seen) == 2
    assert {"skew.csv", "skew.parquet", "feast_skew.prom"} <= {file.name for file in tmp_path.iterdir()}


def test_the_alerts() -> None:
    (block,) = blocks("yaml")
    rules = yaml.safe_load(block)["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"feast_skew_\w+", rule["expr"])}
    assert named <= set(re.findall(r"^\| `(feast_skew_\w+)` \|", PAGE, re.MULTILINE))
    assert len(named) == 3
