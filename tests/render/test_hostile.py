"""Names and texts that mean harm: in no format do they become markup, a command, a formula or a row of their own."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from reports import counts, report

from feast_skew.render.base import load_renderers
from feast_skew.render.prometheus import label
from feast_skew.render.terminal import render_text
from feast_skew.report import Cause, Example, FeatureResult, Finding, Metric, SkewReport, Verdict

HARM = {
    "script": "<script>alert(1)</script>",
    "image": '"><img src=x onerror=alert(1)>',
    "entity": "&lt;b&gt;&#x3C;i>",
    "cdata": "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "markdown link": "[click](javascript:alert(1)) ![i](u)",
    "markdown table": "a | b |\n|---|---|\n# title\n\n---\n- item\n1. one",
    "markdown fence": "```\ncode\n``` ~~~ **b** __u__ _i_ ~s~ $x$ \\",
    "mention": "@someone #12 GH-1",
    "colour": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J",
    "formula": "=HYPERLINK(\"http://127.0.0.1/?\"&A1,\"x\")",
    "formula plus": "+1+cmd|' /C calc'!A0",
    "formula minus": "-2+3+cmd|' /C calc'!A0",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula tab": "\t=1+1",
    "formula return": "\r=1+1",
    "formula quoted": " \"' =1+1",
    "formula wide": "\uff1d1+1",
    "formula in a cell": "a;=1+1;\"=2+2\",-3\n=4",
    "bidi": "\u202egnp.exe\u2066x\u2069",
    "invisible": "\u200b=1\ufeff\u2060",
    "command": "::error::boom",
    "command lines": "x\n::error file=a,line=1::boom\r\n::stop-commands::t\n  ::add-mask::t",
    "command words": " ".join(["::add-mask::t"] * 40),
    "old command": "##[error]boom ##vso[task.setvariable variable=x]y",
    "label": 'a"} 1\nfeast_skew_run_verdict{project="x\\',
    "nul": "a\x00b\x85c\u2028d",
    "surrogate": "a\ud800b",
    "long": "x" * 40_000,
}  # fmt: skip
HARMFUL = pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
NUMBERS = {"mean_difference": -0.5, "mismatch_rate": 0.75}


def hostile(harm: str) -> SkewReport:
    """A failing feature and a fine one, with the text everywhere that a user, a registry or a store can put one."""
    feature = FeatureResult(
        view=harm,
        feature=harm,
        dtype="Float64",
        owner=harm,
        runbook=harm,
        verdict=Verdict.FAIL,
        counts=counts(match=1, mismatch=3),
        metrics={name: Metric(value, value, value, 0.001, Verdict.FAIL) for name, value in NUMBERS.items()},
        causes=(Cause("scale", "what", 1.0, 0.9, harm, {"unit": harm}, harm),),
        examples=(Example({harm: harm}, harm, harm, None, "2014-01-02", "mismatch"),),
        reasons=(harm, f"first; {harm}"),
        services=(harm,),
        channel=harm,
    )
    return replace(
        report(),
        project=harm,
        features=(feature, replace(feature, feature=f"{harm}2", verdict=Verdict.ERROR)),
        findings=(Finding("FS301", "fail", harm, harm, harm), Finding("FS206", "info", "", harm, harm)),
        skipped=({"view": harm, "reason": harm},),
        sample={"requested": 4, "entities": 4, "population": 4},
    )


def told(harm: str, form: str) -> Any:
    return load_renderers()[form](hostile(harm))


def check_harmless(text: str, but: str = "\n") -> None:
    """No character steers a terminal, hides, or turns the direction of writing."""
    assert not [c for c in text if c not in but and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def check_no_command(text: str) -> None:
    """As the runner of GitHub Actions reads a log: `::` after white space, and the old way anywhere."""
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in text
    assert "##vso[" not in text


@HARMFUL
def test_json(harm: str) -> None:
    text = told(harm, "json")
    check_harmless(text)
    check_no_command(text)
    found = json.loads(text)["features"]
    assert len(found) == 2
    assert [found[0][name] for name in ("view", "feature", "owner", "runbook", "channel")] == [harm] * 5
    assert found[0]["examples"][0]["key"] == {harm: harm}


@HARMFUL
def test_junit(harm: str) -> None:
    text = told(harm, "junit")
    check_harmless(text)
    root = ET.fromstring(text.encode())
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    assert "<!" not in text
    assert text.count("<?") == 1
    check_no_command(text)
    assert (len(list(root.iter("failure"))), len(list(root.iter("error")))) == (2, 1)


class _Tags(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[Any, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag with its attributes."""
        self.tags.append((tag, tuple(attrs)))


@HARMFUL
def test_markdown(harm: str) -> None:
    """The same tags as with a plain name, when a real Markdown reader has been over it."""
    text = told(harm, "markdown")
    check_harmless(text)
    check_no_command(text)

    def tags(page: str) -> list[tuple[str, tuple[Any, ...]]]:
        collected = _Tags()
        collected.feed(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(page))
        return collected.tags

    assert tags(text) == tags(told("plain", "markdown"))
    assert not re.search(r"(?<![&\w])[@#](?=\w)", text), "a person or an issue is mentioned"


@HARMFUL
def test_github(harm: str) -> None:
    text = told(harm, "github")
    check_harmless(text)
    lines = text.splitlines()
    assert [re.sub(" .*", "", line) for line in lines] == ["::notice", "::error", "::error", "::error", "::notice"]
    for line in lines:
        assert re.fullmatch(r"::(notice|error) title=[^:,]*::.*", line)


@HARMFUL
@pytest.mark.parametrize("width", [60, 100, 10_000])
def test_terminal(harm: str, width: int) -> None:
    text = render_text(hostile(harm), colour=False, width=width)
    check_harmless(text)
    check_no_command(text)
    assert text.startswith("FAIL  ")
    assert len(re.findall(r"^(fail|error)  ", text, re.MULTILINE)) == 2
    assert re.sub(r"\x1b\[[0-9;]*m", "", render_text(hostile(harm), colour=True, width=width)) == text


COMPUTED = re.compile(r"""[\s"'`]*(?<!')[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]""")


def check_not_computed(cell: str) -> None:
    assert cell.startswith("'") or not COMPUTED.match(cell), cell


@HARMFUL
def test_csv(harm: str) -> None:
    text = told(harm, "csv")
    check_harmless(text, "\r\n")
    assert text.count("\n") == text.count("\r\n") == 3
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert len(rows) == 2
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        for name, value in NUMBERS.items():
            assert float(cells.pop(name)) == value
            assert float(cells.pop(f"{name}_low")) == float(cells.pop(f"{name}_high")) == value
        for cell in cells.values():
            check_not_computed(cell)
            assert len(cell) < 32_768
    # Where a semicolon separates, as in half of Europe, other cells begin in the middle of ours.
    for line in text.splitlines():
        for row in csv.reader([line[:100_000]], delimiter=";"):
            for cell in row:
                check_not_computed(cell)


@HARMFUL
def test_parquet(harm: str) -> None:
    """Typed, so as it is; only what UTF-8 cannot hold is replaced."""
    row = pq.read_table(io.BytesIO(told(harm, "parquet"))).to_pylist()[0]
    kept = harm.replace("\ud800", "?")
    assert [row[name] for name in ("project", "view", "feature", "owner", "runbook", "channel", "services")] == [
        kept
    ] * 7
    assert row["reasons"] == f"{kept}; first; {kept}"
    assert {name: row[name] for name in NUMBERS} == NUMBERS


@HARMFUL
def test_prometheus(harm: str) -> None:
    text = told(harm, "prometheus")
    check_harmless(text)
    assert {
        re.split(r"[ {]", line.removeprefix("# HELP ").removeprefix("# TYPE "))[0] for line in text.splitlines()
    } == {family.name for family in text_string_to_metric_families(told("plain", "prometheus"))}
    families = {family.name: family for family in text_string_to_metric_families(text)}
    named = label(harm)
    assert len(named) <= 200
    found = [sample.labels for sample in families["feast_skew_feature_info"].samples]
    assert len(found) == 2
    assert {(labels["project"], labels["view"], labels["owner"]) for labels in found} == {(named, named, named)}
    assert {labels["feature"] for labels in found} == {named, label(f"{harm}2")}


def test_every_format_is_tried(request: pytest.FixtureRequest) -> None:
    """A new format belongs here, too."""
    named = {name.removeprefix("test_") for name in vars(request.module) if name.startswith("test_")}
    assert set(load_renderers()) - {"text"} <= named, "add a test of hostile names for the new format"


def test_the_eye_of_these_tests_is_open() -> None:
    """What they look for, they would find."""
    checks: list[tuple[Callable[[str], None], str]] = [
        (check_harmless, "\u202ex"), (check_harmless, "\x9b"), (check_no_command, "a\n  ::error::"),
        (check_no_command, "a ##[error]"), (check_not_computed, "=1"), (check_not_computed, ' "=1'),
        (check_not_computed, "\uff1d1"), (check_not_computed, "-x"),
    ]  # fmt: skip
    for check, text in checks:
        with pytest.raises(AssertionError):
            check(text)
