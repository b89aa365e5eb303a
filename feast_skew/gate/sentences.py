"""What a change does to a feature, in a sentence: from what is served now to what the new definition gives."""

from __future__ import annotations

from collections.abc import Sequence

from feast_skew.report import Cause, FeatureResult, Verdict

_NAME = "\0"
_MOST_NAMES = 8
_WINDOWS = ("window", "aggregate")
_COMPARED = ("match", "mismatch", "null_offline", "null_online", "null_both", "corrupt")


def all_moves(features: Sequence[FeatureResult], *, ttl_changed: bool = False) -> tuple[str, ...]:
    """Say what the change does to the features of a view, each sentence once for all features that it is true of."""
    told: dict[str, list[FeatureResult]] = {}
    for feature in features:
        if text := moves(feature, ttl_changed=ttl_changed):
            told.setdefault(text.replace(f"{feature.view}:{feature.feature}", _NAME, 1), []).append(feature)
    return tuple(text.replace(_NAME, _names(those), 1) for text, those in told.items())


def _names(features: Sequence[FeatureResult]) -> str:
    first, *others = features
    more = f" and {len(others) + 1 - _MOST_NAMES} more" if len(others) >= _MOST_NAMES else ""
    return ", ".join([f"{first.view}:{first.feature}", *(one.feature for one in others[: _MOST_NAMES - 1])]) + more


def moves(feature: FeatureResult, *, ttl_changed: bool = False) -> str:
    """Say what the change does to one feature that would not be as it is served; empty where it would.

    What is stale or expired is so whatever the definitions say, unless it is the ttl that changes.
    """
    name = f"{feature.view}:{feature.feature}"
    expired = next((cause for cause in feature.causes if cause.code == "expired"), None)
    if ttl_changed and expired is not None:
        return f"this change expires {name}: {expired.detail}"
    if feature.verdict is not Verdict.FAIL:
        return ""
    share = _share(feature)
    what = next((cause for cause in feature.causes if cause.kind == "what" and cause.code != "unknown"), None)
    if what is not None and what.code in _WINDOWS and what.evidence.get("proven"):
        return f"this change moves {name} from the {_recipe(what, 'online')} to the {_recipe(what, 'offline')}{share}"
    if what is not None and (plainly := _plainly(what, name)):
        return f"{plainly}{share}"
    if what is not None:
        return f"this change gives {name} other values{share}. Online is what is served now, offline what it would be: {what.detail}"
    return f"this change gives {name} other values{share}{_means(feature)}"


def _means(feature: FeatureResult) -> str:
    """Say what both means are, where there are any."""
    metric = feature.metrics.get("mean_difference")
    offline, online = (metric.extra.get(name) if metric else None for name in ("mean_offline", "mean_online"))
    if offline is None or online is None:
        return ""
    return f", with a mean of {offline:.6g} where {online:.6g} is served"


def _plainly(cause: Cause, name: str) -> str:
    """Say it from what is served to what will be, where a cause can be turned round; empty where it cannot."""
    if cause.code == "scale":
        unit = cause.evidence.get("unit")
        return f"this change multiplies {name} by {1.0 / float(cause.evidence['factor']):.8g}" + (
            f" ({unit})" if unit else ""
        )
    if cause.code == "offset":
        return f"this change adds {-float(cause.evidence['offset']):.8g} to {name}"
    return f"this change turns the sign of {name}" if cause.code == "sign" else ""


def _share(feature: FeatureResult) -> str:
    compared = sum(feature.counts.get(name, 0) for name in _COMPARED)
    wrong = compared - feature.counts.get("match", 0) - feature.counts.get("null_both", 0)
    if compared and wrong:
        return (
            f" for {wrong / compared:.3g} of the entities"
            if wrong / compared < 0.001
            else f" for {wrong / compared:.1%} of the entities"
        )
    unaligned = feature.counts.get("unaligned", 0)
    return f" ({unaligned:,} entities, whose rows share no timestamp)" if unaligned else ""


def _recipe(cause: Cause, side: str) -> str:
    aggregate, window = cause.evidence.get(f"{side}_aggregate"), cause.evidence.get(f"{side}_window")
    text = f"{window} {aggregate}" if window else f"{aggregate}"
    days = str(window)
    if days.endswith("d") and days[:-1].isdigit():
        return f"{days[:-1]}-day {aggregate}"
    if days.endswith("h") and days[:-1].isdigit():
        return f"{days[:-1]}-hour {aggregate}"
    return text
