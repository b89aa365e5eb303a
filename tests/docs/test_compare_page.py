"""Every block of docs/compare.md runs, one after another, as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text()


def test_all_blocks_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == PAGE.count("```") // 2 == 3
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/compare.md", "exec"), names)


def test_findings_of_the_page_are_those_of_the_table_of_findings() -> None:
    listed = set(re.findall(r"^\| (FS\d+) \|", (ROOT / "docs" / "causes.md").read_text(), re.MULTILINE))
    assert {*re.findall(r"FS\d+", PAGE)} <= listed
