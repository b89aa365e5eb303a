"""Who is told of a feature: its owner, runbook and channel, from tags and owners on the field, the view and the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast_skew.config import TAG_PREFIX, TEXTS, FeatureSettings


@dataclass(frozen=True)
class Responsible:
    """Who owns a feature, what to do when it fails, and where to say so; empty where nobody said it."""

    owner: str
    runbook: str
    channel: str


def responsible(asked: FeatureSettings, view: Any, services: Mapping[str, Any]) -> Responsible:
    """Give whom to tell of a feature, the nearest first: settings and tags of the field or view, the view's owner, then the services.

    Parameters
    ----------
    asked : FeatureSettings
        Of the feature: the tags of the field and the view, and the files of settings over them.
    view : feature view
        Any kind that Feast has.
    services : mapping
        The services that use the feature, by name. Where several say something, the first by name is taken.
    """
    by_name = [services[name] for name in sorted(services)]
    return Responsible(
        **{what: getattr(asked, what) or _of_feast(view, what) or _of_services(by_name, what) for what in TEXTS}
    )


def _of_services(services: Sequence[Any], what: str) -> str:
    said = (((one.tags or {}).get(TAG_PREFIX + what) or _of_feast(one, what)) for one in services)
    return next(filter(None, said), "")


def _of_feast(holder: Any, what: str) -> str:
    """Give what Feast itself knows of an object: its owner."""
    return (getattr(holder, "owner", "") or "") if what == "owner" else ""
