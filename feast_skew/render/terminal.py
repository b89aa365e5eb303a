"""The report as a table for people: the verdict first, the worst features first, then what to do."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

from feast_skew.render.base import renderer
from feast_skew.render.harmless import harmless_text
from feast_skew.render.wording import (
    WORDS,
    against_baseline,
    clean,
    leading,
    reach,
    sampled,
    short,
    tally,
)
from feast_skew.report import Example, FeatureResult, SkewReport, Verdict

COLOURS = {
    Verdict.PASS: "32",
    Verdict.WARN: "33",
    Verdict.FAIL: "31;1",
    Verdict.INCONCLUSIVE: "35",
    Verdict.ERROR: "31;1",
}
_DETAILED = 8
_EXAMPLES = 3


@renderer("text")
def render(report: SkewReport) -> str:
    """Give the report as plain text without colour."""
    return render_text(report, colour=False)


def render_text(report: SkewReport, *, colour: bool, width: int = 100) -> str:
    """Give the report for a terminal of that width."""
    paint = _Paint(colour)
    lines = [*_headline(report, paint, width), "", *_table(report.features, paint), ""]
    for group in _grouped([f for f in report.features if f.verdict is not Verdict.PASS])[:_DETAILED]:
        lines.extend(_detail(group, paint, width))
        lines.append("")
    for finding in report.findings:
        about = f"{short(finding.view)}: " if finding.view else ""
        known = f" ({finding.known.reason})" if finding.known is not None else ""
        lines.extend(_wrapped(f"{finding.code} {finding.severity}{known}: {about}{finding.detail}", width, "", "  "))
        lines.extend(_wrapped(finding.remedy, width, "  -> ", "     "))
    for entry in report.skipped:
        lines.extend(_wrapped(f"skipped {short(entry['view'])}: {entry['reason']}", width, "", "  "))
    while lines and not lines[-1]:
        lines.pop()
    return harmless_text(lines)


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def verdict(self, verdict: Verdict, text: str) -> str:
        return f"\x1b[{COLOURS[verdict]}m{text}\x1b[0m" if self._colour else text

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text


def columns(text: str) -> int:
    """Count the columns that a text takes on a terminal, where East Asian characters are twice as wide."""
    return sum(2 if east_asian_width(c) in "WF" else 0 if combining(c) else 1 for c in text)


def _headline(report: SkewReport, paint: _Paint, width: int) -> list[str]:
    verdict = report.verdict
    counts = f"{tally(report)}; {sampled(report)}"
    head = f"{paint.verdict(verdict, verdict.value.upper())}  {short(report.project)}: {WORDS[verdict]}"
    held = [line for text in against_baseline(report) for line in _wrapped(text, width, " " * 6, " " * 8)]
    told = [line for text in reach(report) for line in _wrapped(text, width, " " * 6, " " * 8)]
    return [head, " " * 6 + counts, *told, *held]


def _table(features: Sequence[FeatureResult], paint: _Paint) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("verdict", "feature", "wrong", "at most", "absent", "unaligned", "PSI", "first cause")
    ]
    rows.extend(_row(feature) for feature in features)
    widths = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = {2, 3, 4, 5, 6}
    lines = []
    for number, row in enumerate(rows):
        spaces = [" " * (widths[i] - columns(cell)) for i, cell in enumerate(row)]
        cells = [spaces[i] + cell if i in numeric else cell + spaces[i] for i, cell in enumerate(row)]
        if number:
            cells[0] = paint.verdict(Verdict(row[0]), cells[0])
        text = "  ".join(cells).rstrip()
        lines.append(paint.bold(text) if not number else text)
    return lines


def _row(feature: FeatureResult) -> tuple[str, ...]:
    return (
        feature.verdict.value,
        f"{short(feature.view)}:{short(feature.feature)}",
        _rate(feature, "mismatch_rate", "value"),
        _rate(feature, "mismatch_rate", "high"),
        _rate(feature, "presence_rate", "value"),
        f"{feature.counts['unaligned']:,}" if feature.counts["unaligned"] else "-",
        _number(feature, "psi"),
        short(feature.causes[0].code) if feature.causes else "-",
    )


def _rate(feature: FeatureResult, name: str, part: str) -> str:
    metric = feature.metrics.get(name)
    value = getattr(metric, part) if metric is not None else None
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:.2%}" if value >= 0.0005 else f"{value:.4%}"


def _number(feature: FeatureResult, name: str) -> str:
    metric = feature.metrics.get(name)
    return f"{metric.value:.3f}" if metric is not None and metric.value is not None else "-"


def _grouped(features: Sequence[FeatureResult]) -> list[list[FeatureResult]]:
    """Put features of one view together when they have the same causes and reasons for their verdicts."""
    groups: dict[tuple[object, ...], list[FeatureResult]] = {}
    for feature in features:
        first = feature.causes[0].code if feature.causes else ""
        known = feature.known.reason if feature.known is not None else ""
        alike = (feature.view, feature.verdict, first, known, "" if first else feature.reasons)
        groups.setdefault(alike, []).append(feature)
    return list(groups.values())


def _detail(group: Sequence[FeatureResult], paint: _Paint, width: int) -> list[str]:
    first = group[0]
    word = first.verdict.value.upper()
    names = ", ".join(short(feature.feature) for feature in group)
    wrapped = _wrapped(f"{short(first.view)}: {names}", width, f"{word}  ", " " * (len(word) + 2))
    lines = [paint.verdict(first.verdict, word) + wrapped[0][len(word) :], *wrapped[1:]]
    if first.owner:
        lines.append(
            f"  owner    {short(first.owner)}" + (f"   runbook {short(first.runbook)}" if first.runbook else "")
        )
    for reason in first.reasons:
        lines.extend(_wrapped(reason, width, "  why      ", " " * 11))
    for cause in leading(first.causes):
        lines.extend(_wrapped(f"{cause.code}: {cause.detail}", width, "  cause    ", " " * 11))
        lines.extend(_wrapped(cause.remedy, width, "  remedy   ", " " * 11))
    shown = first.examples[:_EXAMPLES]
    if shown:
        lines.append(f"  worst    {'entity':<22}{'offline':>16}{'online':>16}   at (online)")
        lines.extend(f"           {_example(example)}" for example in shown)
    return lines


def _example(example: Example) -> str:
    key = ", ".join(str(value) for value in example.key.values()) or "(no entity)"
    offline = "absent" if example.kind == "online_only" else _value(example.offline)
    online = "absent" if example.kind == "offline_only" else _value(example.online)
    online = "unreadable" if example.kind == "corrupt" else online
    return clean(f"{key[:21]:<22}{offline:>16}{online:>16}   {example.online_timestamp or '-'}")


def _value(value: object) -> str:
    if value is None:
        return "null"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 15 else text[:12] + "..."


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    import textwrap

    return textwrap.wrap(
        clean(" ".join(text.split())), width=max(60, width), initial_indent=first, subsequent_indent=rest
    ) or [first.rstrip()]
