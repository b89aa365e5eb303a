"""Settings of alerts that would tell nobody, or silence nothing, are refused in one line."""

from __future__ import annotations

import pytest
import yaml

from feast_skew.alert_settings import AlertSettings, ResponseSetting
from feast_skew.alerts.channels import channel_of
from feast_skew.config import Settings
from feast_skew.errors import ConfigError


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("channels: {default: []}", "needs an address"),
        ("channels: {default: ''}", "needs an address"),
        ("channels: {default: ['json://127.0.0.1', ' ']}", "needs an address"),
        ("silence: [{owners: [crm@example.com]}]", "say when"),
        ("silence: [{daily: '00:00-00:00'}]", "begins and ends at the same time"),
        ("silence: [{from: 2030-01-01, until: 2029-01-01}]", "from is not before until"),
        ("silence: [{from: 2030-01-01, until: '2030-01-01T00:00:00Z'}]", "from is not before until"),
        ("silence: [{from: 20261124, until: 2027-01-01}]", "no number"),
        ("silence: [{until: '20261124'}]", "no number"),
    ],
)
def test_what_would_tell_nobody_or_silence_nothing(asked: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Settings().add_layer("skew.yaml", yaml.safe_load(f"alerts: {{{asked}}}"))
    assert "\n" not in caught.value.one_line()
    assert caught.value.message.startswith("skew.yaml: alerts.")


def test_a_channel_without_an_address_is_none() -> None:
    settings = AlertSettings.model_construct(channels={"crm": (), "default": ("json://127.0.0.1",)})
    assert channel_of("crm", "crm", settings) == "default"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("on: fail", "either command or url"),
        ("command: []", "either command or url"),
        ("command: ['']", "begins with its program"),
        ('command: ["sh\\0x"]', "zero character"),
        ("command: [sh], url: 'https://example.com/hunter2secret'", "not both"),
        ("url: 'http://a..b/hunter2secret'", "no address"),
        (f"url: 'http://{'a' * 70}.com/'", "no address"),
        ("url: 'ftp://me:hunter2secret@example.com/'", "no address"),
        ("url: 'http://me:hunter2/secret@127.0.0.1:1/x'", "no address"),
        ("url: '${HOOK} hunter2secret'", "no address"),
    ],
)
def test_a_response_that_could_do_nothing(asked: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Settings().add_layer("skew.yaml", yaml.safe_load(f"responses: [{{{asked}}}]"))
    assert "hunter2" not in caught.value.one_line()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:1?token=hunter2secret", "127.0.0.1"),
        ("https://me:hunter2secret@ops.example.com/hooks/${HOOK_TOKEN}", "ops.example.com"),
        ("https://[::1]:8080/x", "::1"),
        ("https://${HOST}/hunter2secret", "webhook"),
        ("${HOOK}", "webhook"),
    ],
)
def test_of_a_url_only_the_host_is_shown(url: str, name: str) -> None:
    assert ResponseSetting(url=url).name == name
