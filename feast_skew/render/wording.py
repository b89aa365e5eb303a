"""What all renderers say alike: harmless names, the verdict in words, one line for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from feast_skew.report import Cause, FeatureResult, Finding, SkewReport, Verdict

WORDS = {
    Verdict.PASS: "serving agrees with the offline store at the sampled rows",
    Verdict.WARN: "inside the limits, with things to know",
    Verdict.FAIL: "skew found",
    Verdict.INCONCLUSIVE: "too little data to decide",
    Verdict.ERROR: "a store could not be read",
}
_LONGEST_NAME = 60
_LONGEST_LINE = 1_000
# What the log of a pipeline takes for a command: behind white space for GitHub, anywhere in a line its older ones and Azure's.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#(?:vso)?\[)", re.MULTILINE)


def clean(text: str) -> str:
    """Make control characters harmless, so that no name or value can steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def without_commands(text: str, write: Callable[[str], str]) -> str:
    """Give a text that commands no pipeline in whose log it ends up; `write` says how the character that would do so is written."""
    return _COMMAND.sub(lambda found: (found.group(1) or "") + write(found.group()[-1]), text)


def short(name: str) -> str:
    """Give a name that is harmless and leaves room for others on its line."""
    name = clean(name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


def one_line(text: str) -> str:
    """Give a text as one harmless line of bounded length."""
    line = clean(" ".join(text.split()))
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 3] + "..."


def leading(causes: Sequence[Cause]) -> list[Cause]:
    """Give the answer: the first cause of either kind."""
    found: dict[str, Cause] = {}
    for cause in causes:
        found.setdefault(cause.kind, cause)
    return sorted(found.values(), key=lambda cause: -cause.share)


def what_is_wrong(feature: FeatureResult) -> str:
    """Say in one line why a feature has its verdict, with its first cause; empty when there is nothing to say."""
    parts = list(feature.reasons)
    if feature.causes:
        first = leading(feature.causes)[0]
        parts.append(f"{first.code}: {first.detail}")
    return one_line("; ".join(parts))


def stops(report: SkewReport, feature: FeatureResult) -> bool:
    """Tell whether a feature keeps the run from exit code 0, with the settings of the run."""
    if feature.verdict is Verdict.WARN:
        known = feature.known is not None and feature.known.accepted
        return report.settings.get("fail_on") == "warn" and not known
    if feature.verdict is Verdict.INCONCLUSIVE:
        return not report.settings.get("allow_inconclusive")
    return feature.verdict is not Verdict.PASS


def finding_line(finding: Finding) -> str:
    """Say in one line what was found, and what to do."""
    known = f" ({finding.known.reason})" if finding.known is not None else ""
    return one_line(f"{finding.detail}{known}; {finding.remedy}" if finding.remedy else f"{finding.detail}{known}")


def tally(report: SkewReport) -> str:
    """Say how many features have which verdict."""
    counts = {verdict: sum(feature.verdict is verdict for feature in report.features) for verdict in Verdict}
    counted = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"{len(report.features)} features: {counted}"


def sampled(report: SkewReport) -> str:
    """Say how many entities were compared, and as of when."""
    sample = report.sample
    return f"{sample['entities']:,} of {sample['population']:,} entities, as of {report.as_of}"


def reach(report: SkewReport) -> list[str]:
    """Say, a line per sample, which true shares it can tell from the budget; nothing where none is foreseen."""
    sets = [entry for entry in report.sample.get("key_sets", ()) if entry.get("decided") and entry["population"]]
    partly = [entry for entry in sets if entry["entities"] < entry["population"]]
    if sets and not partly:
        return ["all entities were read: shares are exact"]
    lines = []
    for entry in partly:
        decided = entry["decided"]
        low, high = decided["pass_up_to"], decided["fail_from"]
        passes = "no feature is sure to pass" if low is None else f"a feature with at most {_share(low)} wrong passes"
        fails = "none is sure to fail" if high is None else f"one with {_share(high)} or more fails"
        lines.append(
            f"by {short(', '.join(entry['join_keys']))}, {entry['entities']:,} of {entry['population']:,} read: "
            f"{passes}, {fails} (with {_share(decided['probability'])} probability); others may stay open"
        )
    return lines


def _share(value: float) -> str:
    return f"{100 * value:.3g}%"


def against_baseline(report: SkewReport) -> list[str]:
    """Say in at most two lines what the baseline changed; nothing when there was none."""
    if report.baseline is None:
        return []
    held = report.baseline
    counts = {name: len(held[name]) for name in ("known", "new", "worse", "other_cause", "recovered")}
    texts = {
        "known": "known and not worse",
        "new": "new",
        "worse": "worse",
        "other_cause": "with another cause",
        "recovered": "recovered",
    }
    failures = ", ".join(f"{count} {texts[name]}" for name, count in counts.items() if count) or "no failures"
    findings = held["known_findings"]
    known = f", {findings} known finding{'s' if findings != 1 else ''}" if findings else ""
    without = Verdict(held["verdict_without"]).value.upper()
    lines = [f"against the baseline of {held['created_at']}: {failures}{known}; without it {without}"]
    if held["gone"]:
        lines.append(f"not compared now, but in the baseline: {_few(held['gone'])}")
    return lines


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(short(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"
