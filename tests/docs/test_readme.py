"""README shows what the program prints now."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# One run of the demo for all of them.
pytestmark = pytest.mark.xdist_group("readme")

SECONDS = re.compile(r"\d+(\.\d+)? s\b")


@pytest.fixture(scope="module")
def demo() -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "FEAST_SKEW_REDIS"}
    done = subprocess.run(
        [sys.executable, "-m", "feast_skew", "demo", "--no-progress"],
        capture_output=True, text=True, timeout=300, check=False, env={**environment, "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [SECONDS.sub("N s", line) for line in done.stdout.splitlines()]


def shown() -> list[str]:
    text = (ROOT / "README.md").read_text()
    block = text.split("<!-- demo -->")[1].split("```text\n")[1].split("```")[0]
    return [SECONDS.sub("N s", line) for line in block.splitlines()]


def test_every_line_of_the_readme_is_printed_by_the_demo_in_that_order(demo):
    place = 0
    for line in shown():
        if line.strip() in ("", "..."):
            continue
        assert line in demo[place:], f"README shows {line!r}, the demo does not print it (any more) at that place"
        place = demo.index(line, place) + 1


def test_the_demo_passes_fails_and_passes_again(demo):
    verdicts = [line.split()[0] for line in demo if re.match(r"    (PASS|FAIL|WARN)  flights:", line)]
    assert verdicts == ["PASS", "FAIL", "PASS"]
