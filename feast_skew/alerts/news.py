"""What of a run is news to the owners of its features, beside what they were told before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from feast_skew.alert_settings import AlertSettings
from feast_skew.history.forms import name_of
from feast_skew.history.incidents import Told
from feast_skew.history.schema import storable
from feast_skew.report import FeatureResult, Verdict

NEW, WORSE, RESOLVED, GONE = "new", "worse", "resolved", "gone"
ENDED = (RESOLVED, GONE)
_FINE = (Verdict.PASS, Verdict.WARN)
_ORDER = (Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True)
class News:
    """A feature that is bad since this run, surely worse than when it was told of, bad no longer, or no longer there.

    `owner` is who is told: of an end whoever was told of the beginning. `channel` is the one that was asked for, `result` what the run
    found, None of a feature that is gone; `before` is what this owner was told last.
    """

    kind: str
    view: str
    feature: str
    owner: str
    channel: str
    result: FeatureResult | None
    before: Told | None

    @property
    def name(self) -> tuple[str, str]:
        """View and feature as the tables of the history hold them."""
        return name_of(self.view), name_of(self.feature)

    def told(self, channel: str, since: str) -> Told | None:
        """Give what the owner is told of by now, when this is told by a channel; None when nothing is left to tell.

        That a feature could not be read takes nothing back of how wrong it was when it was read last.
        """
        if self.result is None or self.kind in ENDED:
            return None
        unread = self.result.verdict is Verdict.ERROR
        if unread and self.before is not None:
            return replace(self.before, channel=channel, unread=True)
        rate, causes = self.result.metrics.get("mismatch_rate"), self.result.causes
        return Told(
            self.result.verdict,
            since,
            None if rate is None else rate.value,
            None if rate is None else rate.high,
            causes[0].code if causes else "",
            self.owner,
            channel,
            unread or (self.before is not None and self.before.unread),
        )


def news_of(
    features: Sequence[FeatureResult],
    told: Mapping[tuple[str, str], Told],
    settings: AlertSettings,
    moment: datetime,
    registered: Mapping[str, Collection[str]],
) -> list[News]:
    """Give the news of a run, the worst features first as in the report; `told` is by names as the tables hold them.

    What could not be decided, what is ignored or known from a baseline, and what is silenced at the moment, is no news: it stays as it
    was told, and becomes news when it is still so afterwards. Features that the run did not compare stay as they were told, unless
    `registered`, all features by view, is given and lacks them.
    """
    found = [one for feature in features if (one := _of_feature(feature, told, settings.least)) is not None]
    present = {(name_of(view), name_of(name)) for view, names in registered.items() for name in names}
    present |= {(name_of(feature.view), name_of(feature.feature)) for feature in features}
    if registered:
        found += [
            News(GONE, *name, one.owner, one.channel, None, one) for name, one in told.items() if name not in present
        ]
    return [
        one
        for one in found
        if not any(silence.holds(one.owner, one.view, one.feature, moment) for silence in settings.silence)
    ]


def is_bad(verdict: Verdict, least: str) -> bool:
    """Tell whether a verdict is one that owners are told of."""
    return verdict in (Verdict.FAIL, Verdict.ERROR) or (verdict is Verdict.WARN and least == Verdict.WARN.value)


def _of_feature(feature: FeatureResult, told: Mapping[tuple[str, str], Told], least: str) -> News | None:
    accepted = feature.known is not None and feature.known.accepted
    if feature.verdict is Verdict.INCONCLUSIVE or feature.ignored or accepted:
        return None
    before = told.get((name_of(feature.view), name_of(feature.feature)))
    owner, channel = feature.owner, feature.channel
    if before is not None and before.owner != storable(owner):
        if is_bad(feature.verdict, least):
            before = None  # it was told to somebody else
        else:
            owner, channel = before.owner, before.channel
    kind = _kind(feature, before, least)
    return News(kind, feature.view, feature.feature, owner, channel, feature, before) if kind else None


def _kind(feature: FeatureResult, before: Told | None, least: str) -> str:
    bad = is_bad(feature.verdict, least)
    if before is None:
        return NEW if bad else ""
    if not bad:
        return RESOLVED if feature.verdict in _FINE else ""
    if feature.verdict is Verdict.ERROR:
        return "" if before.unread or before.verdict is Verdict.ERROR else WORSE
    if before.verdict is Verdict.ERROR:
        return NEW
    if _ORDER.index(feature.verdict) > _ORDER.index(before.verdict):
        return WORSE
    rate = feature.metrics.get("mismatch_rate")
    surely_more = rate is not None and rate.low is not None and before.high is not None and rate.low > before.high
    return WORSE if surely_more and feature.verdict is before.verdict else ""
