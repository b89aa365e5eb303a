"""Does what was asked to happen by itself when an incident begins: once, with a timeout, and noted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import Connection

from feast_skew.alert_settings import ResponseSetting
from feast_skew.alerts.addresses import filled
from feast_skew.core.deadline import within
from feast_skew.errors import ConfigError, SkewError
from feast_skew.history.forms import name_of
from feast_skew.history.responses import Name, Response, Responses
from feast_skew.history.schema import storable
from feast_skew.render.json import render
from feast_skew.report import Finding, SkewReport, iso

RESPONDED = "FS225"
_SECOND = 10**9
_LIST_BYTES = 64_000
"""Longest list of features in the environment: Linux starts no program with a variable of 131,072 bytes or more."""


def want_responses(
    connection: Connection, responses: Responses, report: SkewReport, settings: Sequence[ResponseSetting]
) -> None:
    """Put each response for whose verdict an incident begins with this run among those that are to be done.

    An incident of a feature begins with the run in which its verdict becomes bad; runs in between that could not decide, or not read a
    store, do not end one. What is ignored, or known from a baseline, neither begins nor ends one. Incidents are followed without
    responses, too, so that those that are added later answer to new ones only.
    """
    judged = [one for one in report.features if not one.ignored and (one.known is None or not one.known.accepted)]
    verdicts = {(name_of(one.view), name_of(one.feature)): one.verdict for one in judged}
    begun = responses.begin(connection, report.created_at, verdicts)
    for key, setting in _by_key(settings).items():
        mine = [
            (one.view, one.feature)
            for one in judged
            if one.verdict.value == setting.on and ((name_of(one.view), name_of(one.feature)), one.verdict) in begun
        ]
        if mine:
            verdict = next(one.verdict for one in judged if one.verdict.value == setting.on)
            responses.want(connection, report.run_id, _now(), key, verdict, mine)


def respond(
    settings: Sequence[ResponseSetting], report: SkewReport, responses: Responses, stored: Callable[[str], SkewReport]
) -> list[Finding]:
    """Do what is wanted, for this run and for earlier ones that did not come to it, and give a finding for each.

    `stored` gives the report of an earlier run. Each response is begun once, by this or another process; how it ends is noted in the
    history, and changes nothing of the run.
    """
    found: list[Finding] = []
    by_key = _by_key(settings)
    while by_key:
        try:
            response = responses.claim(_now())
        except ConfigError as error:
            return [*found, Finding(RESPONDED, "warn", "", f"responses may wait: {error.message}", error.hint)]
        if response is None:
            break
        found.append(_responded(by_key.get(response.name), response, report, responses, stored))
    return found


def _by_key(settings: Sequence[ResponseSetting]) -> dict[str, ResponseSetting]:
    return {storable(f"{number}: {setting.name}"): setting for number, setting in enumerate(settings)}


def _responded(
    setting: ResponseSetting | None,
    response: Response,
    report: SkewReport,
    responses: Responses,
    stored: Callable[[str], SkewReport],
) -> Finding:
    refs = ", ".join(f"{view}:{feature}" for view, feature in response.features[:3])
    who = f"response {response.name.partition(': ')[2]} to {refs}" + (", ..." if len(response.features) > 3 else "")
    who += "" if response.run_id == report.run_id else f" of run {response.run_id}"
    if setting is None or response.over:
        why = "its incident had ended" if response.over else "it is no longer asked for"
        unnoted = _noted(responses, response, f"not begun: {why}")
        return Finding(RESPONDED, "info", "", f"{who} was not begun: {why}{unnoted}", "")
    outcome, unnoted = "it was interrupted", ""
    try:
        outcome = _outcome(setting, response, report, stored)
    finally:
        unnoted = _noted(responses, response, outcome or "done")
    if outcome:
        return Finding(RESPONDED, "warn", "", f"{who} failed: {outcome}{unnoted}", "do by hand what it does")
    return Finding(RESPONDED, "info", "", f"{who} was done{unnoted}", "")


def _noted(responses: Responses, response: Response, outcome: str) -> str:
    """Note how a response ended; give what is to be said when that cannot be."""
    try:
        responses.end(response, _now(), outcome)
    except ConfigError as error:
        return f"; the history does not say so: {error.message}"
    return ""


def _outcome(
    setting: ResponseSetting, response: Response, report: SkewReport, stored: Callable[[str], SkewReport]
) -> str:
    """Do it, and give what went wrong, whatever that is; without the words of others, which may hold a password."""
    try:
        own = report if response.run_id == report.run_id else stored(response.run_id)
        return _call(setting, own) if setting.url else _run(setting, own, response)
    except SkewError as error:
        return error.message
    except OSError as error:
        return (not setting.url and error.strerror) or type(error).__name__
    except Exception as error:  # noqa: BLE001  a response never takes the report away
        return type(error).__name__


def _run(setting: ResponseSetting, report: SkewReport, response: Response) -> str:
    """Run a command; give what went wrong, empty when it ended with 0."""
    text = render(report)
    with tempfile.TemporaryDirectory(prefix="feast-skew-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "report.json"
        file.write_text(text, encoding="utf-8")
        names = {
            "FEAST_SKEW_REPORT": str(file),
            "FEAST_SKEW_RUN": report.run_id,
            "FEAST_SKEW_VERDICT": response.verdict.value,
            "FEAST_SKEW_FEATURES": _listed(response.features),
        }
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
        try:
            process.communicate(text, timeout=setting.timeout / _SECOND)
        except subprocess.TimeoutExpired:
            return f"{_late(setting)} and was ended"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return f"exit code {process.returncode}" if process.returncode else ""


def _listed(features: Sequence[Name]) -> str:
    """Give the features, one a line, as many as an environment takes."""
    lines, left = [], _LIST_BYTES
    for view, feature in features:
        line = storable(f"{view}:{feature}")
        left -= len(line.encode()) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _call(setting: ResponseSetting, report: SkewReport) -> str:
    """Post the report to a URL; give what went wrong. The answer's status is enough: what follows it is not waited for."""
    import requests

    seconds = setting.timeout / _SECOND
    codes: list[int] = []

    def post() -> None:
        with requests.post(
            filled(setting.url),
            data=render(report).encode("utf-8"),
            headers={"Content-Type": "application/json"},
            timeout=seconds,
            stream=True,
            allow_redirects=False,  # a page to log in at would take the report for a question
        ) as answer:
            codes.append(answer.status_code)

    try:
        within(post, seconds, "feast-skew response")
    except (TimeoutError, requests.Timeout):
        return _late(setting)
    return "" if codes[0] < 300 else f"it answered {codes[0]}"


def _late(setting: ResponseSetting) -> str:
    return f"it took longer than {setting.timeout / _SECOND:g} s"


def _now() -> str:
    return iso(datetime.now(timezone.utc))
