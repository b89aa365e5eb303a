"""Does what was asked to happen by itself when an incident begins: once, with a timeout, and noted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from feast_skew.alert_settings import ResponseSetting
from feast_skew.errors import ConfigError
from feast_skew.history.incidents import Incidents
from feast_skew.history.runs import name_of
from feast_skew.render.json import render
from feast_skew.report import FeatureResult, Finding, SkewReport, Verdict, iso

RESPONDED = "FS225"
_SECOND = 10**9
_UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.ERROR)


def respond(settings: Sequence[ResponseSetting], report: SkewReport, incidents: Incidents) -> list[Finding]:
    """Start each response for whose severity an incident begins with this run, and give a finding for each.

    An incident of a feature begins with the run in which its verdict becomes bad; runs in between that could not decide, or not read a store, do
    not end one. A response that was begun for this run, by this or another process, is not begun again; how it ends is noted in the history,
    and changes nothing of the run.

    Raises
    ------
    ConfigError
        When the history cannot be read.
    """
    if not settings:
        return []
    begun = _begun(report, incidents)
    found = []
    for number, setting in enumerate(settings):
        mine = [feature for feature in begun if feature.verdict.value == setting.on]
        if mine:
            found.append(_responded(setting, f"{number}: {setting.name}", report, mine, incidents))
    return found


def _begun(report: SkewReport, incidents: Incidents) -> list[FeatureResult]:
    with incidents.database.reading() as connection:
        if connection is None:
            return []
        sinces = incidents.sinces(connection, report.run_id)
        found = []
        for one in report.features:
            if sinces.get((name_of(one.view), name_of(one.feature))) != report.created_at or one.ignored:
                continue
            open_ones = [verdict for verdict in _UNDECIDED if verdict is not one.verdict]
            if incidents.before(connection, report.run_id, one.view, one.feature, open_ones) is not one.verdict:
                found.append(one)
        return found


def _responded(
    setting: ResponseSetting, name: str, report: SkewReport, features: Sequence[FeatureResult], incidents: Incidents
) -> Finding:
    try:
        number = incidents.begin_response(report.run_id, name, _now())
    except ConfigError as error:
        return Finding(RESPONDED, "warn", "", f"response {setting.name} was not begun: {error.message}", error.hint)
    outcome = "it was interrupted"
    try:
        outcome = _call(setting, report) if setting.url else _run(setting, report, features)
    finally:
        incidents.end_response(number, _now(), outcome or "done")
    refs = ", ".join(f"{one.view}:{one.feature}" for one in features[:3]) + (", ..." if len(features) > 3 else "")
    if outcome:
        return Finding(
            RESPONDED, "warn", "", f"response {setting.name} to {refs} failed: {outcome}", "do by hand what it does"
        )
    return Finding(RESPONDED, "info", "", f"response {setting.name} to {refs} was done", "")


def _run(setting: ResponseSetting, report: SkewReport, features: Sequence[FeatureResult]) -> str:
    """Run a command; give what went wrong, empty when it ended with 0."""
    text = render(report)
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        file = Path(folder) / "report.json"
        file.write_text(text, encoding="utf-8")
        names = {
            "FEAST_SKEW_REPORT": str(file),
            "FEAST_SKEW_RUN": report.run_id,
            "FEAST_SKEW_VERDICT": Verdict(setting.on).value,
            "FEAST_SKEW_FEATURES": "\n".join(f"{one.view}:{one.feature}" for one in features),
        }
        try:
            process = subprocess.Popen(
                list(setting.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, **names},
                start_new_session=True,
            )
        except OSError as error:
            return error.strerror or str(error)
        try:
            process.communicate(text, timeout=setting.timeout / _SECOND)
        except subprocess.TimeoutExpired:
            return f"it took longer than {setting.timeout / _SECOND:g} s and was ended"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return f"exit code {process.returncode}" if process.returncode else ""


def _call(setting: ResponseSetting, report: SkewReport) -> str:
    """Post the report to a URL; give what went wrong, without the URL, which may hold a password."""
    import requests

    try:
        answer = requests.post(
            os.path.expandvars(setting.url),
            data=render(report).encode("utf-8"),
            headers={"Content-Type": "application/json"},
            timeout=setting.timeout / _SECOND,
        )
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.ok else f"it answered {answer.status_code}"


def _now() -> str:
    return iso(datetime.now(timezone.utc))
