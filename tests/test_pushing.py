"""Pushes to a real HTTP server of this machine: what arrives, and what is said when it does not."""

from __future__ import annotations

import base64
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

sys.path.append(str(Path(__file__).parent))

from reports import report
from servers.gateway import Gateway

from feast_skew.errors import ConfigError, NotPushed
from feast_skew.pushing import checked, credentials, push
from feast_skew.render.prometheus import render

FLIGHTS = replace(report(), project="flights")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not asked for this machine's own servers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_what_arrives() -> None:
    with Gateway() as gateway:
        push(FLIGHTS, f"{gateway.url}/")
    ((method, path, headers, body),) = gateway.seen
    assert (method, path) == ("PUT", "/metrics/job/feast_skew/project/flights")
    assert headers["Content-Type"].startswith("text/plain")
    assert "Authorization" not in headers
    assert body.decode() == render(FLIGHTS)
    assert {family.name for family in text_string_to_metric_families(body.decode())} >= {"feast_skew_run_verdict"}


def test_below_a_path_and_with_a_password() -> None:
    with Gateway() as gateway:
        push(FLIGHTS, f"{gateway.url}/push", ("nightly", "pässword:x"))
    ((_, path, headers, _),) = gateway.seen
    assert path == "/push/metrics/job/feast_skew/project/flights"
    kind, _, token = headers["Authorization"].partition(" ")
    assert (kind, base64.b64decode(token).decode()) == ("Basic", "nightly:pässword:x")


def test_hostile_project() -> None:
    """Nothing in the path can name another job or group."""
    with Gateway() as gateway:
        push(replace(report(), project="a/../job/x?y#z\n"), gateway.url)
    ((_, path, _, _),) = gateway.seen
    assert path.startswith("/metrics/job/feast_skew/project@base64/")
    assert path.count("/") == 5


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (401, "set FEAST_SKEW_PUSH_USER and FEAST_SKEW_PUSH_PASSWORD"), (403, "FEAST_SKEW_PUSH_USER"),
        (400, "its log says why"), (404, "/metrics"), (500, "its log says why"), (302, "sends on to"),
    ],
)  # fmt: skip
def test_answers_that_are_no(status: int, step: str) -> None:
    with Gateway(status=status) as gateway, pytest.raises(NotPushed) as failed:
        push(FLIGHTS, gateway.url, ("nightly", "s3cret"))
    line = failed.value.one_line()
    assert line.startswith(f"{gateway.url} answered {status}: ")
    assert step in line
    assert "s3cret" not in line
    assert "nightly" not in line
    assert len(gateway.seen) == 1, "it is not sent on to anybody"


@pytest.mark.parametrize("behaviour", ["silent", "drip"])
def test_one_that_hangs(behaviour: str) -> None:
    """Also one that sends a byte now and then, which begins a socket's timeout anew each time."""
    began = time.monotonic()
    with Gateway(behaviour=behaviour) as gateway, pytest.raises(NotPushed) as failed:
        push(FLIGHTS, gateway.url, timeout=0.5)
    assert time.monotonic() - began < 20
    assert "did not answer within 0.5 s" in failed.value.one_line()


def test_one_that_speaks_something_else() -> None:
    with Gateway(behaviour="garbage") as gateway, pytest.raises(NotPushed, match="cannot be reached") as failed:
        push(FLIGHTS, gateway.url)
    assert "\n" not in failed.value.one_line()


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotPushed, match="refused") as failed:
        push(FLIGHTS, f"http://127.0.0.1:{port}")
    assert failed.value.hint == "is that a Pushgateway, and is it running?"


@pytest.mark.parametrize(
    "address",
    ["", "gateway:9091", "ftp://gateway", "http://", "http://:9091", "http://gateway:port", "http://gateway:99999", "http://gateway:0",
     "http://gate way", "http://gateway\n:1", "http://g\x1b[31m", "http://größe", "http://g/?a=b", "http://g#x", "http://[::1", 5, True, ["x"]],
)  # fmt: skip
def test_no_address(address: object) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(address, "--push-metrics")
    line = refused.value.one_line()
    assert line.startswith("--push-metrics ")
    assert "http://gateway:9091" in line


@pytest.mark.parametrize(
    "address", ["http://nightly:s3cret@gateway", "nightly:s3cret@gateway", "https://nightly:s3/c@ret@gateway:1"]
)
def test_a_password_in_an_address(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(address)
    line = refused.value.one_line()
    assert "***@gateway" in line
    assert "FEAST_SKEW_PUSH_PASSWORD" in line
    assert not {"s3", "c@ret", "nightly"} & set(line.replace("/", " ").replace(":", " ").split())


@pytest.mark.parametrize(
    "address", ["http://gateway:9091", "https://gateway/push", "http://[::1]:9091", "http://127.0.0.1:1"]
)
def test_addresses(address: str) -> None:
    assert checked(address) == checked(f"{address}/") == address


def test_nowhere() -> None:
    assert checked("off") is checked(None) is checked(False) is None
    push(FLIGHTS, "off")


def test_credentials_come_from_the_environment() -> None:
    user, password = "FEAST_SKEW_PUSH_USER", "FEAST_SKEW_PUSH_PASSWORD"
    assert credentials({}) is credentials({user: "", password: ""}) is None
    assert credentials({user: "a", password: "b"}) == ("a", "b")
    for half in ({user: "a"}, {password: "b"}):
        with pytest.raises(ConfigError, match="is set and") as refused:
            credentials(half)
        assert "set both" in refused.value.one_line()
