"""What of a run is news to the owners of its features, beside what they were told before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from feast_skew.alert_settings import AlertSettings
from feast_skew.history.incidents import Told
from feast_skew.report import FeatureResult, Verdict

NEW, WORSE, RESOLVED = "new", "worse", "resolved"
_FINE = (Verdict.PASS, Verdict.WARN)
_ORDER = (Verdict.WARN, Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True)
class News:
    """A feature that is bad since this run, surely worse than when it was told of, or bad no longer."""

    kind: str
    feature: FeatureResult
    before: Told | None


def news_of(
    features: Sequence[FeatureResult],
    told: Mapping[tuple[str, str], Told],
    settings: AlertSettings,
    moment: datetime,
) -> list[News]:
    """Give the news of a run, the worst features first as in the report.

    What could not be decided, what is ignored or known from a baseline, and what is silenced at the moment, is no news: it stays as it
    was told, and becomes news when it is still so afterwards. Features that the run did not compare stay as they were told.
    """
    found = []
    for feature in features:
        before = told.get((feature.view, feature.feature))
        accepted = feature.known is not None and feature.known.accepted
        silenced = any(one.holds(feature.owner, feature.view, feature.feature, moment) for one in settings.silence)
        if feature.verdict is Verdict.INCONCLUSIVE or feature.ignored or accepted or silenced:
            continue
        kind = _kind(feature, before, settings.least)
        if kind:
            found.append(News(kind, feature, before))
    return found


def is_bad(verdict: Verdict, least: str) -> bool:
    """Tell whether a verdict is one that owners are told of."""
    return verdict in (Verdict.FAIL, Verdict.ERROR) or (verdict is Verdict.WARN and least == Verdict.WARN.value)


def _kind(feature: FeatureResult, before: Told | None, least: str) -> str:
    bad = is_bad(feature.verdict, least)
    if before is None:
        return NEW if bad else ""
    if not bad:
        return RESOLVED if feature.verdict in _FINE else ""
    if _ORDER.index(feature.verdict) > _ORDER.index(before.verdict):
        return WORSE
    rate = feature.metrics.get("mismatch_rate")
    surely_more = rate is not None and rate.low is not None and before.high is not None and rate.low > before.high
    return WORSE if surely_more and feature.verdict is before.verdict else ""
