"""`lint` as a user runs it: what it says, its exit codes, and that it writes nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "gate"))

from rides import Run
from shop import Shop, make_shop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop that was never applied, with a store that does not answer: nothing of it is read."""
    return make_shop(tmp_path / "repo")


def test_text(run: Run, shop: Shop) -> None:
    done = run("lint", "--repo", shop.path, "--no-progress")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("shop: ")
    assert lines[0].endswith("(7 views)")
    assert "FS118 fail  code that uses names of its module" in lines
    assert "  expecting: its code uses RATE, tax" in lines
    assert "FS113 fail  aggregations of a batch view, which the registry drops" in lines
    assert all(len(line) <= 100 for line in lines)
    severities = [line.split()[1] for line in lines if line.startswith("FS")]
    assert severities == sorted(severities, key=("fail", "warn", "info").index)


def test_json_and_where_it_is_found(run: Run, shop: Shop) -> None:
    before = {file: file.read_bytes() for file in shop.path.rglob("*") if file.is_file()}
    done = run("lint", "--repo", shop.path, "--output", "json=-", "--no-progress")
    content = json.loads(done.out)
    assert (done.code, content["schema_version"], content["project"], content["views"]) == (1, "1", "shop", 7)
    for finding in content["findings"]:
        assert set(finding) == {"code", "severity", "view", "detail", "remedy", "why"}
    assert {"FS113", "FS118", "FS104", "FS115"} <= {finding["code"] for finding in content["findings"]}
    assert {file: file.read_bytes() for file in shop.path.rglob("*") if file.is_file()} == before


def test_what_is_not_looked_for(run: Run, shop: Shop) -> None:
    off = ("--disable", "FS113", "--disable", "FS118", "--disable", "FS116")
    assert run("lint", "--repo", shop.path, "--quiet", *off).code == 0
    (shop.path / "feast_skew.yaml").write_text("lint_disable: [FS113, FS118]\n")
    assert run("lint", "--repo", shop.path, "--quiet").code == 0
    assert run("lint", "--repo", shop.path, "--quiet", "--fail-on", "warn").code in (0, 1)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--disable", "FS1018"), ("FS1018", "FS101")),
        (("--output", "xml=x"), ("xml", "json")),
        (("--config", "nowhere.yaml"), ("nowhere.yaml",)),
        (("--fail-on", "info"), ("info",)),
    ],
    ids=" ".join,
)
def test_wrong_options(run: Run, shop: Shop, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    done = run("lint", "--repo", shop.path, "--no-progress", *options)
    assert done.code == 2
    assert all(part in done.err.splitlines()[-1] for part in parts)


def test_definitions_that_raise(run: Run, shop: Shop) -> None:
    (shop.path / "bad.py").write_text("1 / 0\n")
    run("lint", "--repo", shop.path, "--no-progress").refused(2, "bad.py:1", "ZeroDivisionError")


def test_no_repository(run: Run, tmp_path: Path) -> None:
    run("lint", "--repo", tmp_path / "nowhere", "--no-progress").refused(2, "does not exist")


def test_the_hook_runs_this_command() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "feast-skew lint"
    assert hook["pass_filenames"] is False


def test_the_page_has_every_hazard() -> None:
    from feast_skew.lint.base import load_hazards

    page = (ROOT / "docs" / "lint.md").read_text()
    for one in load_hazards():
        assert f"| `{one.code}` | {one.severity} | {one.title} | {one.why} | {one.remedy} |" in page
