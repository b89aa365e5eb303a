"""What docs/materialize.md shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from rides import ROOT, Run, make_repository

import feast_skew
from feast_skew.embedded.redis_server import EmbeddedRedis

PAGE = (ROOT / "docs" / "materialize.md").read_text()


def test_the_page(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis: EmbeddedRedis) -> None:
    """Its commands in their order, its program, and its report."""
    repo = make_repository(tmp_path / "repo", redis.connection_string, materialize=False)
    monkeypatch.chdir(repo.path)
    block = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)[0]
    commands = re.findall(r"^\$ feast-skew (.*)$", block, re.MULTILINE)
    outcomes = [run(*shlex.split(command)) for command in commands]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    shown = block.split(f"$ feast-skew {commands[2]}\n")[1].removesuffix("...\n")
    assert outcomes[2].out.startswith(shown)

    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(program, "docs/materialize.md", "exec"), names)
    report = names["report"]
    assert isinstance(report, feast_skew.SkewReport)
    assert report.verdict.value == "pass"

    frame = pd.read_parquet("data/drivers.parquet")
    frame["rate"] = [float((7919 * number) % 1009) for number in range(len(frame))]
    frame.to_parquet("data/drivers.parquet")
    failed = run(*shlex.split(commands[0]))
    assert failed.code == 1
    assert re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0] in failed.out
