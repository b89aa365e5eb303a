"""What every list and table of the command line passes through at last."""

from __future__ import annotations

import json

import pytest

from feast_skew.render.harmless import harmless_json, harmless_text

COMMANDS = ["::error::boom", "  ::add-mask::t", "##[error]boom", "##vso[task.setvariable variable=x]y"]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_a_command_of_a_pipeline(command: str) -> None:
    text = harmless_text(["a table", command])
    assert command not in text
    assert text.endswith("\n")
    assert text.replace(" ", "") == f"atable\n{command}\n".replace(" ", "")


@pytest.mark.parametrize(
    "value", [*COMMANDS, "\x1b[31m\x9b2J", "\u202egnp.exe", "a\ud800b", "\u061ca", "a\U000e0041", "\xadb", "é🙂"]
)
def test_json_says_the_same_and_steers_nothing(value: str) -> None:
    text = harmless_json({value: [value]})
    assert json.loads(text) == {value: [value]}
    text.encode("utf-8")
    assert not any(character in text for character in "\x1b\x9b\u202e\ud800\u061c\U000e0041\xad")
    assert "##[" not in text
    assert "##vso[" not in text


def test_numbers_that_are_none_and_values_that_are_not_plain() -> None:
    assert json.loads(harmless_json({"a": [float("nan"), float("inf"), 1.5]})) == {"a": [None, None, 1.5]}
    assert json.loads(harmless_json({"a": {1}}, default=sorted)) == {"a": [1]}
