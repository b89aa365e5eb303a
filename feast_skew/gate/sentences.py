"""What a change does to a feature, in a sentence: from what is served now to what the new definition gives."""

from __future__ import annotations

from feast_skew.report import Cause, FeatureResult, Verdict

_WINDOWS = ("window", "aggregate")
_COMPARED = ("match", "mismatch", "null_offline", "null_online", "null_both", "corrupt")


def moves(feature: FeatureResult) -> str:
    """Say what the change does to one feature that is not as it is served; empty where it is."""
    if feature.verdict in (Verdict.PASS, Verdict.WARN) and not feature.causes:
        return ""
    what = next((cause for cause in feature.causes if cause.kind == "what" and cause.code != "unknown"), None)
    share = _share(feature)
    name = f"{feature.view}:{feature.feature}"
    if what is not None and what.code in _WINDOWS and what.evidence.get("proven"):
        return f"this change moves {name} from the {_recipe(what, 'online')} to the {_recipe(what, 'offline')}{share}"
    if what is not None:
        return f"this change gives {name} other values{share}. Online is what is served now, offline what it would be: {what.detail}"
    if feature.causes:
        return f"this change gives {name} other values{share}: {feature.causes[0].detail}"
    if feature.verdict is Verdict.FAIL:
        return f"this change gives {name} other values{share}" + (f": {feature.reasons[0]}" if feature.reasons else "")
    return ""


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
