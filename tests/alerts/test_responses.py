"""What happens by itself when an incident begins: real commands and a real server, once, with an end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from servers.receivers import Hook
from test_messages import START, feature, report

from feast_skew.alert_settings import ResponseSetting
from feast_skew.alerts.responding import respond
from feast_skew.history.memory import History
from feast_skew.report import Finding, SkewReport, Verdict, iso

NOTE = """
import json, os, sys
content = json.load(sys.stdin)
assert content == json.load(open(os.environ["FEAST_SKEW_REPORT"]))
line = json.dumps([content["run_id"], os.environ["FEAST_SKEW_VERDICT"], os.environ["FEAST_SKEW_FEATURES"].splitlines()])
open(sys.argv[1], "a").write(line + "\\n")
"""


def kept(history: History, run: SkewReport, *settings: ResponseSetting) -> list[Finding]:
    history.record(run, (), iso(START))
    return respond(settings, run, history.incidents("shop"))


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


def test_a_response_to_a_run_is_not_given_twice(history: History, tmp_path: Path) -> None:
    setting = ResponseSetting(command=(sys.executable, "-c", NOTE, str(tmp_path / "log")))
    run = report(0, feature(Verdict.FAIL, 50))
    assert [one.severity for one in kept(history, run, setting)] == ["info"]
    assert [one.severity for one in respond((setting,), run, history.incidents("shop"))] == ["warn"]
    assert len((tmp_path / "log").read_text().splitlines()) == 1


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
