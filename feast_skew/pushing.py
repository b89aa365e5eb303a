"""Metrics of a report to a Pushgateway of Prometheus, within a time, and without a word of its password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError

from feast_skew.core.deadline import within
from feast_skew.errors import ConfigError, NotPushed
from feast_skew.setting_values import PUSH_PASSWORD, PUSH_USER, gateway

if TYPE_CHECKING:
    from feast_skew.report import SkewReport

JOB = "feast_skew"
TIMEOUT = 10.0
"""Seconds that a push may take in all, from looking up the name to the answer."""

Credentials = tuple[str, str]


def push(report: SkewReport, url: str, credentials: Credentials | None = None, *, timeout: float = TIMEOUT) -> None:
    """Replace what a Pushgateway holds of the report's project, under the job `feast_skew`, by the metrics of this report.

    Parameters
    ----------
    report : SkewReport
        Of `validate` or `compare`.
    url : str
        Address of the gateway, such as `http://gateway:9091`, without user and password.
    credentials : (user, password), optional
        For basic authentication; none by default.
    timeout : float
        Seconds that all of it may take.

    Raises
    ------
    ConfigError
        When the address cannot be one.
    NotPushed
        When the gateway cannot be reached in time, or does not take the metrics.
    """
    from prometheus_client.exposition import basic_auth_handler, default_handler, push_to_gateway

    from feast_skew.render.prometheus import label, registry_of

    address = checked(url)
    if address is None:
        return
    user, password = credentials or (None, None)
    handler = default_handler if user is None else partial(basic_auth_handler, username=user, password=password)
    send = partial(
        push_to_gateway,
        address,
        JOB,
        registry_of(report),
        grouping_key={"project": label(report.project)},
        timeout=timeout,
        handler=handler,
    )
    try:
        within(send, timeout, "feast-skew push")
    except HTTPError as error:
        error.close()
        raise NotPushed(f"{address} answered {error.code}", hint=_step(error.code)) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        late = isinstance(reason, TimeoutError)
        text = f"did not answer within {timeout:g} s" if late else f"cannot be reached ({_short(reason)})"
        raise NotPushed(f"{address} {text}", hint="is that a Pushgateway, and is it running?") from None


def checked(url: object, name: str = "the address to push to") -> str | None:
    """Give the address of a gateway, None for `off`; `name` says in an error what was wrong.

    Raises
    ------
    ConfigError
        When it is no address, or has a password in it, which is not repeated.
    """
    try:
        return gateway(url)
    except ValueError as error:
        shown = re.sub(r"^([A-Za-z]+://)?.*@", r"\1***@", str(url), flags=re.DOTALL)
        raise ConfigError(f"{name} {shown!r:.200}", hint=str(error)) from None


def credentials(environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """Give user and password for the gateway from the environment; None when neither is set.

    Raises
    ------
    ConfigError
        When only one of them is.
    """
    user, password = environment.get(PUSH_USER), environment.get(PUSH_PASSWORD)
    if not user and not password:
        return None
    if not user or not password:
        missing, there = (PUSH_USER, PUSH_PASSWORD) if not user else (PUSH_PASSWORD, PUSH_USER)
        raise ConfigError(f"{there} is set and {missing} is not", hint="set both, or neither")
    return user, password


def _step(status: int) -> str:
    if status in (401, 403):
        return f"set {PUSH_USER} and {PUSH_PASSWORD} to what it lets in"
    if 300 <= status < 400:
        return "give the address that it sends on to"
    if status in (404, 405):
        return "give the address without /metrics, with the path that the gateway is served under"
    return "its log says why"


def _short(reason: object) -> str:
    return " ".join(str(reason).split())[:200] or type(reason).__name__
