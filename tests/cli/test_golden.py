"""One report made by hand, with every verdict and names that mean harm, against files that were looked at.

A golden file is never written by a test. To change one on purpose, print the new text, read it, and save it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reports import report

from feast_skew.render.base import load_renderers
from feast_skew.render.json import render as render_json
from feast_skew.render.terminal import render_text
from feast_skew.report import Verdict

GOLDEN = Path(__file__).with_name("golden")


def golden(name: str) -> str:
    file = GOLDEN / name
    assert file.is_file(), f"{file} is missing; it is part of the repository and no test writes it"
    return file.read_bytes().decode()


def test_text() -> None:
    assert render_text(report(), colour=False) == golden("report.txt")


def test_text_is_what_the_output_option_writes() -> None:
    assert load_renderers()["text"](report()) == golden("report.txt")


def test_text_in_colour() -> None:
    assert render_text(report(), colour=True) == golden("report-colour.txt")


def test_json() -> None:
    assert render_json(report()) == golden("report.json")


def test_json_is_json() -> None:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    parsed = json.loads(golden("report.json"), parse_constant=refuse)
    assert parsed["verdict"] == "fail"
    assert {feature["verdict"] for feature in parsed["features"]} == {verdict.value for verdict in Verdict}
    assert parsed["features"][0]["metrics"]["mean_difference"]["value"] is None


def test_text_cannot_steer_a_terminal() -> None:
    """Outside of our own colours there is no control character at all, and no line is out of hand."""
    text = render_text(report(), colour=True)
    for code in ("0", "1", "31;1", "32", "33", "35"):
        text = text.replace(f"\x1b[{code}m", "")
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text == render_text(report(), colour=False)
    assert max(map(len, text.splitlines())) < 250
    assert not any(line.startswith("PASS") for line in text.splitlines())


@pytest.mark.parametrize("width", [1, 40, 60, 100, 400])
def test_any_width(width: int) -> None:
    text = render_text(report(), colour=False, width=width)
    assert text.startswith("FAIL")
    assert text.endswith("\n")
