"""Owners are told of what is new, worse or resolved: once, by real servers of mail and HTTP, and later where one is down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from servers.gateway import Gateway
from servers.receivers import Hook, Mailbox
from sqlalchemy import Connection, func, select

from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts import channels
from feast_skew.alerts.delivering import deliver_messages, without_channel, write_messages
from feast_skew.alerts.news import News
from feast_skew.core.moments import parse_moment
from feast_skew.history import schema as tables
from feast_skew.history.memory import History
from feast_skew.report import Cause, FeatureResult, Finding, Known, Metric, SkewReport, Verdict, iso

START = datetime(2026, 5, 1, tzinfo=timezone.utc)
WINDOW = Cause("window", "what", 0.95, 0.99, "the same mean over 7 days", {}, "decide which window is meant")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    server = Mailbox()
    yield server
    server.stop()


def feature(verdict: Verdict, wrong: int = 0, name: str = "x", owner: str = "crm@example.com") -> FeatureResult:
    share = wrong / 1_000
    extra = {"wrong": wrong, "checked": 1_000}
    rate = Metric(share, max(0.0, share - 0.01), share + 0.01, 0.001, verdict, extra)
    causes = (WINDOW,) if verdict is Verdict.FAIL else ()
    counts = {"entities": 1_000}
    return FeatureResult(
        "v", name, "Float64", owner, "https://wiki.example/x", verdict, counts, {"mismatch_rate": rate}, causes
    )


def report(day: int, *features: FeatureResult) -> SkewReport:
    at = iso(START + timedelta(days=day))
    sample = {"requested": 1_000, "entities": 1_000, "population": 1_000}
    return SkewReport("shop", f"run-{day}", at, "local", at, 0, {}, sample, features)


def keep(
    history: History, settings: AlertSettings, run: SkewReport, registered: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[News], list[Finding]]:
    """Do what follows a run."""
    incidents = history.incidents("shop")
    news: list[News] = []

    def beside(connection: Connection) -> None:
        news.extend(write_messages(connection, incidents, run, settings, registered))

    history.record(run, (), iso(START), beside)
    now = parse_moment(run.created_at, "created_at")
    return news, [*without_channel(news, settings), *deliver_messages(incidents, settings, now)]


def titles(hook: Hook) -> list[str]:
    """Give the titles of what a server was sent, without what they all begin with."""
    return [post["title"].removeprefix("feast-skew, shop: ") for post in hook.posts]


def alerts(**channels: str | tuple[str, ...]) -> AlertSettings:
    return AlertSettings.model_validate({"channels": channels, "link": "https://reports.example/{run_id}/{owner}.html"})


def test_a_hundred_runs_of_one_incident(history: History, hook: Hook) -> None:
    """One alert, one that it is worse, and one of its end."""
    settings = alerts(default=hook.url)
    for day in range(100):
        wrong = 100 if day < 50 else 400
        keep(history, settings, report(day, feature(Verdict.FAIL, wrong), feature(Verdict.PASS, 0, "y")))
    keep(history, settings, report(100, feature(Verdict.PASS)))
    keep(history, settings, report(101, feature(Verdict.PASS)))
    assert titles(hook) == ["1 new", "1 worse", "1 resolved"]
    first, worse, last = (post["message"] for post in hook.posts)
    for part in (
        "NEW v:x: fail since 2026-05-01 00:00 UTC, 100 of 1,000 entities differ (10.00%)",
        "likely cause: window: the same mean over 7 days",
        "first step: decide which window is meant",
        "runbook: https://wiki.example/x",
        "report: https://reports.example/run-0/crm@example.com.html",
    ):
        assert part in first
    assert "WORSE v:x: fail since 2026-05-01 00:00 UTC, 400 of 1,000" in worse
    assert "before: fail, 10.00%" in worse
    assert "RESOLVED v:x: pass again; it was fail since 2026-05-01 00:00 UTC" in last


def test_skew_behind_a_store_error_is_told(history: History, hook: Hook) -> None:
    """That a store could not be read is told once, takes nothing back, and is not what ended when the skew ends."""
    settings = alerts(default=hook.url)
    error, fail, much = feature(Verdict.ERROR), feature(Verdict.FAIL, 50), feature(Verdict.FAIL, 830)
    for day, one in enumerate((feature(Verdict.PASS), error, error, much, error, much, feature(Verdict.PASS))):
        keep(history, settings, report(day, one))
    assert titles(hook) == ["1 new", "1 new", "1 resolved"]
    first, second, last = (post["message"] for post in hook.posts)
    assert "NEW v:x: could not be read since 2026-05-02" in first
    assert "NEW v:x: fail since 2026-05-04 00:00 UTC, 830 of 1,000" in second
    assert "it was fail since 2026-05-04" in last
    hook.posts.clear()
    for day, one in enumerate((fail, error, error, fail, error, much, error, feature(Verdict.PASS)), 10):
        keep(history, settings, report(day, one))
    assert titles(hook) == ["1 new", "1 worse", "1 worse", "1 resolved"]
    _, second, third, last = (post["message"] for post in hook.posts)
    assert "WORSE v:x: could not be read since 2026-05-12" in second
    assert "WORSE v:x: fail since 2026-05-11 00:00 UTC, 830 of 1,000" in third
    assert "before: fail, 5.00%" in third
    assert "it was fail since 2026-05-11" in last


@pytest.mark.parametrize("name", ["r" * 300, "ra\x00te"])
def test_names_that_tables_hold_in_another_form(history: History, hook: Hook, name: str) -> None:
    for day in range(3):
        keep(history, alerts(default=hook.url), report(day, feature(Verdict.FAIL, 10, name)))
    assert titles(hook) == ["1 new"]
    assert "fail since 2026-05-01" in hook.posts[0]["message"]


def test_another_owner_in_the_middle(history: History, hook: Hook) -> None:
    """To the new owner it is new, and its end theirs; whoever was told of a beginning alone is told of the end."""
    other = Hook()
    settings = alerts(ann=hook.url, bob=other.url)
    try:
        for day, owner in enumerate(("ann", "bob", "bob")):
            keep(history, settings, report(day, feature(Verdict.FAIL, 10, owner=owner)))
        keep(history, settings, report(3, feature(Verdict.PASS, owner="bob")))
        assert (titles(hook), titles(other)) == (["1 new"], ["1 new", "1 resolved"])
        keep(history, settings, report(4, feature(Verdict.FAIL, 10, owner="ann")))
        for day in (5, 6):
            keep(history, settings, report(day, feature(Verdict.PASS, owner="bob")))
        assert (titles(hook), len(other.posts)) == (["1 new", "1 new", "1 resolved"], 2)
    finally:
        other.stop()


def test_a_feature_that_left_the_registry(history: History, hook: Hook) -> None:
    """Its end is told once, by the channel of its beginning, and nothing of it is kept; what a run left out goes on."""
    settings = alerts(crm=hook.url)
    bad = replace(feature(Verdict.FAIL, 10), channel="crm")
    keep(history, settings, report(0, bad), {"v": ["x", "y"]})
    other = feature(Verdict.PASS, 0, "y")
    keep(history, settings, report(1, other), {"v": ["x", "y"]})
    assert titles(hook) == ["1 new"]
    for day in (2, 3):
        keep(history, settings, report(day, other), {"v": ["y", "x2"]})
    assert titles(hook) == ["1 new", "1 gone"]
    assert "GONE v:x: no longer in the registry; it was fail since 2026-05-01 00:00 UTC" in hook.posts[1]["message"]


def test_a_dead_channel_keeps_no_other_back(history: History, hook: Hook) -> None:
    """It is asked once in a run, and each time for another of its messages."""
    dead = Hook()
    dead.status = 500
    incidents = history.incidents("shop")
    settings = alerts(dead=dead.url, default=hook.url)
    old = {"owner": "o", "channel": "dead#0", "title": "t", "body": "b"}
    try:
        with history.database.writing() as connection:
            incidents.enqueue(connection, "old", iso(START), [old] * 20)
        for day in range(3):
            _, findings = keep(history, settings, report(day, feature(Verdict.FAIL, 10, f"f{day}")))
            assert len(hook.posts) == day + 1
            assert [one.detail.partition("; ")[2] for one in findings] == ["19 more wait for this channel"]
            assert sorted(one.attempts for one in incidents.waiting())[-4:] == [0] * (3 - day) + [1] * (day + 1)
    finally:
        dead.stop()


def test_a_channel_that_never_ends_its_answer(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_LONGEST_SECONDS", 0.5)
    with Gateway(behaviour="drip") as slow:
        settings = alerts(default=slow.url.replace("http:", "json:"))
        _, (finding,) = keep(history, settings, report(0, feature(Verdict.FAIL, 10)))
        assert "did not take it within 0.5 s" in finding.detail
        assert len(slow.seen) == 1


def test_a_channel_that_the_settings_have_no_more(history: History, hook: Hook) -> None:
    """Another one of the owner's stands in, once; without any the message is given up after a month."""
    hook.status = 500
    keep(history, alerts(old=(hook.url, hook.url)), report(0, replace(feature(Verdict.FAIL, 10), channel="old")))
    hook.status = 200
    nobody = alerts(other=hook.url)
    assert [one.severity for one in keep(history, nobody, report(29))[1]] == ["warn"] * 2
    assert keep(history, alerts(default=hook.url), report(30))[1] == []
    assert titles(hook) == ["1 new"]
    keep(history, alerts(default="json://127.0.0.1:1/"), report(31, feature(Verdict.FAIL, 10, "y")))
    (finding,) = keep(history, nobody, report(62))[1]
    assert "of 2026-06-01 was given up: nobody took it for 30 days" in finding.detail
    assert history.incidents("shop").waiting() == []


def test_what_was_sent_goes_with_the_runs(history: History, hook: Hook) -> None:
    """What waits stays, and so does what an owner was told: the incident is not told again."""
    settings = alerts(default=hook.url)
    runs = history.runs("shop")
    keep(history, settings, report(0, feature(Verdict.FAIL, 10)))
    hook.status = 500
    keep(history, settings, report(1, feature(Verdict.FAIL, 10, "y")))
    hook.status = 200
    with history.database.writing() as connection:
        history.responses("shop").want(connection, "run-0", iso(START), "r", Verdict.FAIL, [("v", "x")])
    assert runs.prune(iso(START + timedelta(days=2))) == 2
    with history.database.reading() as connection:
        assert connection is not None
        left = [
            connection.execute(select(func.count()).select_from(one)).scalar()
            for one in (tables.messages, tables.responses)
        ]
    assert left == [1, 0]
    keep(history, settings, report(3, feature(Verdict.FAIL, 10)))
    assert titles(hook) == ["1 new", "1 new"]


def test_one_message_for_each_owner(history: History, mailbox: Mailbox) -> None:
    settings = alerts(default=mailbox.url)
    run = report(
        0,
        *(feature(Verdict.FAIL, 10, f"f{i}", "ann@example.com") for i in range(30)),
        feature(Verdict.FAIL, 10, "g", "bob@example.com"),
        feature(Verdict.PASS, 0, "h", "eve@example.com"),
    )
    assert keep(history, settings, run)[1] == []
    assert sorted(mail["To"] for mail in mailbox.mails) == ["ann@example.com", "bob@example.com"]
    text = next(mail for mail in mailbox.mails if mail["To"] == "ann@example.com").get_body(("plain", "html"))
    assert text is not None
    assert text.get_content().count("NEW") == 20
    assert "and 10 more" in text.get_content()


def test_a_channel_that_is_down(history: History, hook: Hook) -> None:
    """Kept, sent by a later run, and not a second time; the token of its address is shown nowhere."""
    settings = alerts(default=hook.url)
    hook.stop()
    _, findings = keep(history, settings, report(0, feature(Verdict.FAIL, 10)))
    assert [(one.code, one.severity) for one in findings] == [("FS218", "warn")]
    assert "hunter2secret" not in str(findings)
    (waiting,) = history.incidents("shop").waiting()
    assert "hunter2secret" not in str(waiting)
    assert waiting.attempts == 1
    again = Hook(hook.port)
    try:
        for day in (1, 2, 3):
            assert keep(history, settings, report(day, feature(Verdict.FAIL, 10)))[1] == []
        assert [post["title"] for post in again.posts] == ["feast-skew, shop: 1 new"]
        again.status = 401
        _, findings = keep(history, settings, report(4, feature(Verdict.PASS)))
        assert len(findings) == 1
        assert "hunter2secret" not in str(findings)
    finally:
        again.stop()


def test_what_one_address_took_is_not_sent_to_it_again(history: History, hook: Hook) -> None:
    other = Hook()
    other.status = 500
    settings = alerts(default=(hook.url, other.url))
    try:
        assert len(keep(history, settings, report(0, feature(Verdict.FAIL, 10)))[1]) == 1
        other.status = 200
        assert keep(history, settings, report(1, feature(Verdict.FAIL, 10)))[1] == []
        assert (len(hook.posts), len(other.posts)) == (1, 1)
    finally:
        other.stop()


SENDER = """
import sys
from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts import channels
from feast_skew.alerts.delivering import deliver_messages
from feast_skew.history.memory import History
settings = AlertSettings.model_validate({"channels": {"default": sys.argv[2]}})
assert deliver_messages(History(sys.argv[1]).incidents("shop"), settings) == []
"""


def test_several_processes_send_nothing_twice(history: History, hook: Hook, url: str) -> None:
    settings = alerts(default=hook.url)
    incidents = history.incidents("shop")
    for day in range(12):
        run = report(day, feature(Verdict.FAIL, 10, f"f{day}"))
        history.record(
            run, (), iso(START), lambda connection, run=run: _only_write(connection, incidents, run, settings)
        )
    command = [sys.executable, "-c", SENDER, url, hook.url]
    senders = [subprocess.Popen(command) for _ in range(3)]
    assert [sender.wait(120) for sender in senders] == [0, 0, 0]
    assert len(hook.posts) == 12
    assert len({post["message"] for post in hook.posts}) == 12


def _only_write(connection: Any, incidents: Any, run: SkewReport, settings: AlertSettings) -> None:
    write_messages(connection, incidents, run, settings)


def test_silence(history: History, hook: Hook) -> None:
    """Nothing is sent meanwhile; what is still bad when it ends is told then."""
    silence = [{"from": iso(START), "until": iso(START + timedelta(days=3)), "owners": ["crm@example.com"]}]
    settings = AlertSettings.model_validate({"channels": {"default": hook.url}, "silence": silence})
    for day in range(3):
        keep(history, settings, report(day, feature(Verdict.FAIL, 10), feature(Verdict.FAIL, 10, "z", "bob@x.example")))
    assert len(hook.posts) == 1
    keep(history, settings, report(3, feature(Verdict.FAIL, 10)))
    assert len(hook.posts) == 2
    assert "since 2026-05-01 00:00 UTC" in hook.posts[1]["message"]


@pytest.mark.parametrize(("at", "silent"), [(23, True), (3, True), (6, False), (12, False), (22, True)])
def test_hours_of_every_day(at: int, silent: bool) -> None:
    settings = AlertSettings.model_validate({"silence": [{"daily": "22:00-06:00"}]})
    assert settings.silence[0].holds("o", "v", "f", START + timedelta(hours=at)) is silent


def test_what_is_no_news(history: History, hook: Hook) -> None:
    settings = alerts(default=hook.url)
    bad = feature(Verdict.FAIL, 10)
    keep(history, settings, report(0, bad))
    known = Known("known", "fail", "fail", None, "known since then")
    for day, one in enumerate(
        (
            replace(bad, verdict=Verdict.INCONCLUSIVE),
            replace(bad, verdict=Verdict.WARN, ignored="ignored until 2027"),
            replace(bad, verdict=Verdict.WARN, known=known),
        ),
        1,
    ):
        keep(history, settings, report(day, one))
    keep(history, settings, report(9))  # a run of other features
    keep(history, settings, report(10, bad))
    assert len(hook.posts) == 1


def test_owners_without_a_channel_and_addresses_that_are_none(history: History, mailbox: Mailbox) -> None:
    settings = alerts(ops=mailbox.url)
    news, findings = keep(history, settings, report(0, feature(Verdict.FAIL, 10)))
    assert [one.kind for one in news] == ["new"]
    assert "no channel for crm@example.com" in findings[0].detail
    # As soon as there is a channel they are told.
    assert keep(history, alerts(default=mailbox.url), report(1, feature(Verdict.FAIL, 10)))[1] == []
    assert len(mailbox.mails) == 1
    _, findings = keep(
        history, alerts(default=mailbox.url), report(2, feature(Verdict.FAIL, 10, "q", "the team; rm -rf"))
    )
    assert "is no address" in findings[0].detail


def test_hostile_names_ring_no_bell(history: History, hook: Hook) -> None:
    name = "<!channel> @everyone\n\x1b[31m<script>alert(1)</script>"
    keep(history, alerts(default=hook.url), report(0, feature(Verdict.FAIL, 10, name)))
    message = hook.posts[0]["message"]
    assert "\x1b" not in message
    assert "<!channel>" not in message
    assert "@everyone" not in message
    assert "\n\x1b" not in message
