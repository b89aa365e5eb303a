"""What happens by itself when an incident begins: real commands and a real server, once, with an end."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from servers.gateway import Gateway
from servers.receivers import Hook
from test_messages import START, feature, report

from feast_skew.alert_settings import ResponseSetting
from feast_skew.alerts.responding import respond, want_responses
from feast_skew.history.memory import History
from feast_skew.report import Finding, Known, SkewReport, Verdict, iso

NOTE = """
import json, os, sys
content = json.load(sys.stdin)
assert content == json.load(open(os.environ["FEAST_SKEW_REPORT"]))
line = json.dumps([content["run_id"], os.environ["FEAST_SKEW_VERDICT"], os.environ["FEAST_SKEW_FEATURES"].splitlines()])
open(sys.argv[1], "a").write(line + "\\n")
"""


def remember(history: History, run: SkewReport, *settings: ResponseSetting) -> None:
    """Keep a run as a process does that is killed before it responds."""
    responses = history.responses("shop")
    history.record(run, (), iso(START), lambda connection: want_responses(connection, responses, run, settings))


def answer(history: History, run: SkewReport, *settings: ResponseSetting) -> list[Finding]:
    return respond(settings, run, history.responses("shop"), history.runs("shop").report)


def kept(history: History, run: SkewReport, *settings: ResponseSetting) -> list[Finding]:
    remember(history, run, *settings)
    return answer(history, run, *settings)


def test_a_command_runs_once_for_each_incident(history: History, tmp_path: Path) -> None:
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    for day, wrong in enumerate((0, 50, 50, 60, 0, 50)):
        bad = feature(Verdict.FAIL, wrong) if wrong else feature(Verdict.PASS)
        findings = kept(history, report(day, bad, feature(Verdict.PASS, 0, "y")), setting)
        assert [one.severity for one in findings] == (["info"] if day in (1, 5) else [])
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines == [["run-1", "fail", ["v:x"]], ["run-5", "fail", ["v:x"]]]


@pytest.mark.parametrize("between", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_run_that_could_not_tell_ends_no_incident(history: History, tmp_path: Path, between: Verdict) -> None:
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    long = "n" * 300
    for day, verdict in enumerate((Verdict.FAIL, between, between, Verdict.FAIL, Verdict.PASS, Verdict.FAIL)):
        findings = kept(history, report(day, feature(verdict, 50, long)), setting)
        assert [one.severity for one in findings] == (["info"] if day in (0, 5) else [])


def test_errors_in_a_row_are_one_incident(history: History, tmp_path: Path) -> None:
    setting = ResponseSetting(on="error", command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    for day, verdict in enumerate((Verdict.PASS, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)):
        assert bool(kept(history, report(day, feature(verdict, 50)), setting)) == (day == 1)


@pytest.mark.parametrize(
    "runs",
    [
        ((60, Verdict.FAIL, 1), (10, Verdict.FAIL, 0), (20, Verdict.FAIL, 0), (70, Verdict.FAIL, 0)),
        ((60, Verdict.FAIL, 1), (10, Verdict.PASS, 0), (20, Verdict.FAIL, 0), (70, Verdict.FAIL, 0)),
        ((10, Verdict.FAIL, 1), (60, Verdict.PASS, 0), (20, Verdict.FAIL, 0), (70, Verdict.FAIL, 1)),
        ((60, Verdict.PASS, 0), (10, Verdict.FAIL, 1), (20, Verdict.FAIL, 0), (70, Verdict.FAIL, 0)),
    ],
)
def test_runs_that_are_kept_out_of_order(
    history: History, tmp_path: Path, runs: Sequence[tuple[int, Verdict, int]]
) -> None:
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    for day, verdict, times in runs:
        assert len(kept(history, report(day, feature(verdict, 50)), setting)) == times, (day, verdict)


def test_what_a_baseline_knows_is_no_incident(history: History) -> None:
    """Nor does it end one."""
    setting, on_warn = ResponseSetting(command=("true",)), ResponseSetting(on="warn", command=("true",))
    known = replace(feature(Verdict.WARN, 50), known=Known("known", "fail", "fail", None, ""))
    for day, (one, times) in enumerate(((known, 0), (feature(Verdict.FAIL, 50), 1), (known, 0))):
        assert len(kept(history, report(day, one), setting, on_warn)) == times
    assert kept(history, report(3, feature(Verdict.FAIL, 50)), setting, on_warn) == []


def test_a_response_that_is_added_answers_to_new_incidents_only(history: History) -> None:
    kept(history, report(0, feature(Verdict.FAIL, 50)))
    assert kept(history, report(1, feature(Verdict.FAIL, 50)), ResponseSetting(command=("true",))) == []


def test_a_response_of_a_run_that_was_killed_is_given_once(history: History, tmp_path: Path) -> None:
    """By one of the processes that find it, with the report of its own run."""
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    remember(history, report(0, feature(Verdict.FAIL, 50)), setting)
    later = report(1, feature(Verdict.FAIL, 50))
    remember(history, later, setting)
    others = [History(history.database.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda own: answer(own, later, setting), others))
    assert [one.detail for own in found for one in own] == [f"response {sys.executable} to v:x of run run-0 was done"]
    assert json.loads((tmp_path / "log").read_text()) == ["run-0", "fail", ["v:x"]]


@pytest.mark.parametrize("own", [True, False])
def test_a_response_that_nobody_needs_any_more_is_not_begun(history: History, tmp_path: Path, own: bool) -> None:
    """Its incident had ended, or it was taken out of the settings."""
    touch = ResponseSetting(command=("touch", str(tmp_path / "done")))
    remember(history, report(0, feature(Verdict.FAIL, 50)), touch)
    fine = report(1, feature(Verdict.PASS) if own else feature(Verdict.FAIL, 50))
    (finding,) = kept(history, fine, touch if own else ResponseSetting(command=("true",)))
    assert finding.severity == "info"
    assert ("its incident had ended" if own else "no longer asked for") in finding.detail
    assert not (tmp_path / "done").exists()
    assert answer(history, fine, touch) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [("import time; time.sleep(60)", "longer than 0.5 s"), ("raise SystemExit(7)", "exit code 7")],
)
def test_a_command_that_fails_or_does_not_end(history: History, code: str, words: str) -> None:
    setting = ResponseSetting.model_validate({"command": [sys.executable, "-c", code], "timeout": "500ms"})
    (finding,) = kept(history, report(0, feature(Verdict.FAIL, 50)), setting)
    assert finding.severity == "warn"
    assert words in finding.detail


def test_a_command_that_is_not_there(history: History) -> None:
    (finding,) = kept(history, report(0, feature(Verdict.FAIL, 50)), ResponseSetting(command=("/no/such/program",)))
    assert "No such file" in finding.detail


def test_a_url_gets_the_report(history: History, hook: Hook) -> None:
    setting = ResponseSetting(url=f"http://me:hunter2secret@127.0.0.1:{hook.port}/hook")
    (finding,) = kept(history, report(0, feature(Verdict.FAIL, 50)), setting)
    assert finding.severity == "info"
    assert hook.posts[0]["run_id"] == "run-0"
    hook.status = 500
    (finding,) = kept(history, report(1, feature(Verdict.FAIL, 50, "new")), setting)
    assert "answered 500" in finding.detail
    assert "hunter2secret" not in finding.detail
    hook.status = 302
    (finding,) = kept(history, report(2, feature(Verdict.FAIL, 50, "newer")), setting)
    assert "answered 302" in finding.detail, "a page to log in at is not whom we wrote to"
    unset = ResponseSetting(url=f"http://127.0.0.1:{hook.port}/${{NO_SUCH_TOKEN}}")
    (finding,) = kept(history, report(3, feature(Verdict.FAIL, 50, "newest")), unset)
    assert "NO_SUCH_TOKEN is not set" in finding.detail


@pytest.mark.parametrize(("behaviour", "words"), [("endless", "was done"), ("drip", "longer than 0.5 s")])
def test_a_server_whose_answer_never_ends(history: History, behaviour: str, words: str) -> None:
    """Its status is enough, and for that it has the time of the response."""
    with Gateway(behaviour=behaviour) as gateway:
        setting = ResponseSetting.model_validate({"url": gateway.url, "timeout": "500ms"})
        (finding,) = kept(history, report(0, feature(Verdict.FAIL, 50)), setting)
    assert words in finding.detail
    assert len(gateway.seen) == 1


def test_the_biggest_incident_gets_its_response(history: History, tmp_path: Path) -> None:
    """An environment holds so many names; the report has all."""
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    bad = [feature(Verdict.FAIL, 50, f"{number:03}{'n' * 240}") for number in range(600)]
    (finding,) = kept(history, report(0, *bad), setting)
    assert finding.severity == "info"
    named = json.loads((tmp_path / "log").read_text())[2]
    assert named == [f"v:{one.feature}" for one in bad[: len(named)]]
    assert 200 < len(named) < 600


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"command": ["true"]}, "No such file"), ({"url": "http://${HUNTER}/x"}, "failed: LocationParseError")],
)
def test_whatever_goes_wrong_is_a_finding(
    history: History, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object], words: str
) -> None:
    monkeypatch.setenv("HUNTER", "hunter2secret..b")
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    (finding,) = kept(history, report(0, feature(Verdict.FAIL, 50)), ResponseSetting.model_validate(asked))
    assert words in finding.detail
    assert "hunter2" not in finding.detail
