"""What the documents name exists: commands, options, make targets, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from feast_skew.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "spark_jobs/*.md", "expectations/*.md", "feature_repo/*.md")
    for path in ROOT.glob(pattern)
)
# Options of other programs that the documents speak of by themselves.
OTHERS_OPTIONS = {"--py-files", "--archives", "--master", "--conf", "--no-deps", "--universal"}
FENCE = re.compile(r"^ {0,3}```([^\n]*)\n(.*?)^ {0,3}```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SHELLS = {"", "sh", "bash", "shell", "console", "text"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def code_lines(document: Path) -> tuple[str, ...]:
    """Give the lines of shell code and the spans of code in a text."""
    text = document.read_text()
    blocks = [block for language, block in FENCE.findall(text) if language.strip().split(" ")[0] in SHELLS]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return (*lines, *SPAN.findall(FENCE.sub("", text)))


def calls(document: Path, program: str) -> Iterator[list[str]]:
    """Give the arguments of every call of a program in the code of a document."""
    for line in code_lines(document):
        for command in re.split(r"&&|\|\||[;|]", line):
            try:
                words = shlex.split(command.strip().removeprefix("$ "), comments=True)
            except ValueError:  # prose in a block, with an apostrophe
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words[:3] == ["python", "-m", "feast_skew"]:
                words[:3] = ["feast-skew"]
            if words and words[0].rsplit("/", 1)[-1] == program:
                yield words[1:]


def options(command: click.Command) -> set[str]:
    context = click.Context(command, **command.context_settings)
    return {name for parameter in command.get_params(context) for name in parameter.opts}


def complaint(words: list[str]) -> str:
    """Tell what in a call of feast-skew does not exist; empty when all of it does."""
    command: click.Command = cli
    for word in words:
        if word.startswith("-") and word != "-":
            name = word.partition("=")[0]
            if name not in options(command):
                return f"{command.name} has no option {name}"
        elif command is cli:
            if word not in cli.commands:
                return f"there is no command {word}"
            command = cli.commands[word]
    return ""


@each_document
def test_commands_exist_with_their_options(document: Path) -> None:
    wrong = [
        f"feast-skew {' '.join(words)}: {found}"
        for words in calls(document, "feast-skew")
        if (found := complaint(words))
    ]
    assert not wrong, "\n".join(wrong)


@each_document
def test_options_named_alone_exist(document: Path) -> None:
    known = OTHERS_OPTIONS | options(cli).union(*map(options, cli.commands.values()))
    named = {span.split()[0].partition("=")[0] for span in code_lines(document) if re.match(r"--[a-z]", span)}
    assert named <= known, named - known


@each_document
def test_make_targets_exist(document: Path) -> None:
    for words in calls(document, "make"):
        file = words[words.index("-f") + 1] if "-f" in words else "Makefile"
        targets = set(re.findall(r"^([a-z]+):", (ROOT / file).read_text(), re.MULTILINE))
        named = {word for word in words if re.fullmatch(r"[a-z]+", word)}
        assert named <= targets, named - targets


@each_document
def test_linked_files_exist(document: Path) -> None:
    links = LINK.findall(FENCE.sub("", document.read_text()))
    missing = [link for link in links if ":" not in link and not (document.parent / link).exists()]
    assert not missing


def test_a_wrong_call_would_be_found(tmp_path: Path) -> None:
    """The reader of documents sees commands in blocks and in spans, and what is wrong with them."""
    document = tmp_path / "page.md"
    document.write_text(
        "Run `feast-skew validate --smaple 5`, or:\n```console\n$ cd repo && .venv/bin/feast-skew valdate # comment\n"
        "$ X=1 python -m feast_skew validate --repo . \\\n    --outptu json=-\n$ feast-skew demo\n```\n"
    )
    assert [complaint(words) for words in calls(document, "feast-skew")] == [
        "there is no command valdate",
        "validate has no option --outptu",
        "",
        "validate has no option --smaple",
    ]
