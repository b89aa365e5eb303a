"""An approval holds for one change, from what a view meant to what it means, until that is applied."""

from __future__ import annotations

import json
from pathlib import Path

from feast_skew.gate.approvals import Approval, Approvals


def approval(before: str, after: str, view: str = "v") -> Approval:
    return Approval("p", view, before, after, "meant", "ann", "2026-03-04T00:00:00Z", "fail", ("ttl",))


def test_it_holds_for_the_change_that_it_was_given_for(tmp_path: Path) -> None:
    kept = Approvals(tmp_path / "approvals.json")
    kept.add([approval("a", "b")])
    assert kept.of("p", "v", "a", "b") == approval("a", "b")
    assert kept.of("p", "v", "c", "b") is None
    assert kept.of("p", "w", "a", "b") is None
    assert kept.of("q", "v", "a", "b") is None


def test_it_is_spent_once_applied(tmp_path: Path) -> None:
    kept = Approvals(tmp_path / "approvals.json")
    kept.add([approval("a", "b"), approval("a", "b", "w")])
    kept.spend("p", [("v", "a", "c"), ("v", "b", "a")], "2026-03-05T00:00:00Z")
    assert kept.of("p", "v", "a", "b") is not None
    kept.spend("p", [("v", "a", "b")], "2026-03-06T00:00:00Z")
    assert kept.of("p", "v", "a", "b") is None
    assert kept.of("p", "w", "a", "b") is not None
    assert [one.applied for one in kept.read()] == ["2026-03-06T00:00:00Z", ""]
    kept.add([approval("a", "b")])
    assert kept.of("p", "v", "a", "b") is not None


def test_a_file_from_before_is_read_as_not_applied(tmp_path: Path) -> None:
    file = tmp_path / "approvals.json"
    entry = {"project": "p", "view": "v", "before": "a", "after": "b", "reason": "meant", "by": "ann",
             "at": "2026-03-04T00:00:00Z", "verdict": "fail", "changes": ["ttl"]}  # fmt: skip
    file.write_text(json.dumps({"version": 1, "approvals": [entry]}))
    assert Approvals(file).of("p", "v", "a", "b") == approval("a", "b")
    before = file.read_text()
    Approvals(file).spend("p", [("other", "a", "b")], "2026-03-06T00:00:00Z")
    assert file.read_text() == before


def test_spending_without_a_file_writes_none(tmp_path: Path) -> None:
    Approvals(tmp_path / "approvals.json").spend("p", [("v", "a", "b")], "2026-03-06T00:00:00Z")
    assert not list(tmp_path.iterdir())
