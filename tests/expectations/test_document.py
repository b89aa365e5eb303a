"""What docs/expectations.md shows works as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from worlds import VIEWS, feature, held, rows

from feast_skew.expectations import __all__ as public
from feast_skew.expectations.suites import read_suites

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "expectations.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_suites_of_the_document(folder: Path) -> None:
    """They can be read, hold on a good world, and find the broken one that the text speaks of."""
    suites = blocks("json")
    assert len(suites) == 2
    for text in suites:
        (folder / f"{json.loads(text)['name']}.json").write_text(text)
    assert len(read_suites(folder, VIEWS)) == 2
    good = feature("rate", null_rate_difference=0.0)
    wide = rows(rate=pa.array([i / 10 for i in range(200)]))
    found = held(folder, wide, wide, good)
    assert not found.findings
    thousand = rows(rate=pa.array([i * 100.0 for i in range(200)]))
    assert [finding.code for finding in held(folder, wide, thousand, good).findings] == ["FS301"]
    limit = held(folder, wide, wide, feature("rate", psi=0.06, null_rate_difference=0.0))
    assert [finding.code for finding in limit.findings] == ["FS304"]


@pytest.mark.parametrize("code", blocks("python"))
def test_code_of_the_document(code: str) -> None:
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert len(namespace["table"]) == 1


def test_every_expectation_is_in_the_document() -> None:
    named = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in public if name.startswith("Expect")}
    assert named == set(re.findall(r"^\| `(expect_\w+)`", TEXT, re.MULTILINE))
