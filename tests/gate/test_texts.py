"""What a plan says, whatever names there are in it: for a terminal, for a pull request, and in one line."""

from __future__ import annotations

import re
import shlex

import pytest

from feast_skew.core.meaning import Meaning
from feast_skew.gate.changes import CHANGED, Change
from feast_skew.gate.proposal import Judged, Proposal, Reach
from feast_skew.gate.sentences import all_moves
from feast_skew.gate.texts import refusal, render_markdown, render_text
from feast_skew.report import Cause, FeatureResult, Verdict


def plan(*names: str, owners: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Proposal:
    changes = [Change(name, CHANGED, Meaning(name, "FeatureView"), Meaning(name, "FeatureView")) for name in names]
    judged = [Judged(one, Verdict.FAIL, notes=notes, reach=Reach(owners=owners, services=owners)) for one in changes]
    return Proposal("shop", "2026-03-04T00:00:00Z", {}, len(names), tuple(judged))


def commands(text: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.strip().startswith("feast-skew apply"))
    return shlex.split(line)


def test_the_command_can_be_copied() -> None:
    text = render_text(plan("a view", "it's", "$(rm x)"), width=40)
    approved = ("--approve", "a view", "--approve", "it's", "--approve", "$(rm x)")
    assert commands(text) == ["feast-skew", "apply", *approved, "--reason", "..."]


def test_all_refused_are_named_up_to_a_bound() -> None:
    text = refusal(plan(*(f"view{number}" for number in range(9))))
    assert text.startswith("refused: view0, view1, view2, view3, view4 and 4 more; correct the definitions")
    assert text.count("--approve view") == 5
    assert "an --approve for each of the others" in text
    two = refusal(plan("a", "b"))
    assert (
        two
        == 'refused: a, b; correct the definitions, or let them through with feast-skew apply --approve a --approve b --reason "..."'
    )


@pytest.mark.parametrize("name", ["v|iew", "v`iew", "v*i*ew", "<b>view</b>", "v\\iew", "@team", "#12"])
def test_markdown_takes_names_literally(name: str) -> None:
    text = render_markdown(plan(name, owners=("@org/team",), notes=(f"about {name} and @org/team",)))
    assert "@" not in text
    assert "`" not in text
    assert "\\" not in text
    row = next(line for line in text.splitlines() if line.startswith("| view"))
    assert row.count("|") == 7
    escaped = "".join(f"&#{ord(c)};" if c in "|`*<>\\@#" else c for c in name)
    assert f"<code>{escaped}</code>" in row
    assert "&#64;org/team" in row
    assert not re.search(r"<(?!/?code>)", text)


def expired(name: str, detail: str) -> FeatureResult:
    cause = Cause("expired", "how", 1.0, 0.99, detail, {}, "do it")
    return FeatureResult("v", name, "Float64", "", "", Verdict.WARN, {}, {}, (cause,))


def test_what_is_true_of_all_features_is_said_once() -> None:
    features = [expired("a", "older than 1h"), expired("b", "older than 1h"), expired("c", "some are")]
    assert all_moves(features, ttl_changed=True) == (
        "this change expires v:a, b: older than 1h",
        "this change expires v:c: some are",
    )
    many = [expired(f"f{number}", "old") for number in range(30)]
    assert all_moves(many, ttl_changed=True) == (
        "this change expires v:f0, f1, f2, f3, f4, f5, f6, f7 and 22 more: old",
    )
    assert all_moves(many) == ()
