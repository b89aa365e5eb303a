"""`feast-skew alerts`: messages that wait, sent again, and channels tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts.channels import check_channels, send
from feast_skew.alerts.delivering import deliver_messages
from feast_skew.cli.outputs import deliver_texts, parse_outputs, say
from feast_skew.config import suggestion
from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, ConfigError, UnwritableOutput
from feast_skew.history.incidents import Message
from feast_skew.remembered import open_history
from feast_skew.render.history import FORMATS, Listing
from feast_skew.render.wording import finding_line
from feast_skew.report import iso


def run_alerts(options: Mapping[str, Any]) -> int:
    """List the messages that wait, or send them, or try a channel; give the exit code."""
    outputs = parse_outputs(options["outputs"], FORMATS)
    opened = open_history(Path(options["repo"]), options["config"])
    settings, incidents = opened.settings.alerts, opened.history.incidents(opened.project)
    if settings is None:
        raise ConfigError("the settings have no `alerts:`", hint="add channels there, as docs/alerts.md shows")
    if options["test"] is not None:
        if options["test"] not in settings.channels:
            raise ConfigError(
                f"there is no channel {options['test']!r}", hint=suggestion(options["test"], settings.channels)
            )
        return _try(options["test"], options["owner"] or "", settings)
    if options["send"]:
        found = deliver_messages(incidents, settings)
        say("".join(f"{finding_line(one)}\n" for one in found) or "nothing waits any more\n")
        return EXIT_NOT_MEASURED if found else EXIT_PASS
    wrong = check_channels(settings)
    entries = [asdict(one) for one in incidents.waiting()]
    heads = {
        "created_at": "since (UTC)",
        "owner": "owner",
        "channel": "channel",
        "attempts": "tried",
        "error": "why it waits",
    }
    listing = Listing("messages", opened.project, "", heads, entries, "no message waits")
    forms = {form: partial(render, listing) for form, render in FORMATS.items()}
    deliver_texts(forms, outputs, forms["text"], "messages were listed")
    for text in wrong:
        say(f"{text}\n")
    return EXIT_PASS


def _try(channel: str, owner: str, settings: AlertSettings) -> int:
    text = "This is a test of feast-skew: whoever reads it is told when features differ between training and serving."
    for number in range(len(settings.channels[channel])):
        moment = iso(datetime.now(timezone.utc))
        message = Message(0, "", owner, f"{channel}#{number}", "feast-skew: a test", text, moment, "", 0, "")
        unsent = send(message, settings)
        if unsent is not None:
            raise UnwritableOutput("the test was not taken", hint=unsent.why)
    say(f"channel {channel} took it\n")
    return EXIT_PASS
