"""The report as Markdown for a job summary or a comment on a pull request, no longer than GitHub takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from feast_skew.render.base import renderer
from feast_skew.render.escaping import code, plain
from feast_skew.render.wording import WORDS, against_baseline, leading, sampled, short, tally
from feast_skew.report import FeatureResult, Finding, Metric, SkewReport, Verdict

LONGEST = 60_000
"""In characters. A comment may have 65,536, a job summary 1 MiB."""
_FINDINGS_SHARE, _TABLE_SHARE, _DETAILS_SHARE = 0.3, 0.5, 0.7
_MARKS = {
    Verdict.PASS: "✅",
    Verdict.WARN: "⚠️",
    Verdict.FAIL: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.ERROR: "❌",
}
_HEAD = ("| verdict | feature | wrong | absent | first cause | owner |", "|---|---|--:|--:|---|---|")
_Item = TypeVar("_Item")


@renderer("markdown")
def render(report: SkewReport) -> str:
    """Give the report as Markdown of at most 60,000 characters; what was left out is counted in its last line."""
    verdict = report.verdict
    head = [
        f"### {_MARKS[verdict]} feast-skew: {verdict.value.upper()}, {WORDS[verdict]}",
        "",
        f"{plain(short(report.project))}: {tally(report)}; {plain(sampled(report))}  ",
        *(f"{plain(line)}  " for line in against_baseline(report)),
        "",
    ]
    page = _Page("\n".join(head))
    wrong = [feature for feature in report.features if feature.verdict is not Verdict.PASS]
    known = [feature for feature in wrong if feature.known is not None and feature.known.accepted]
    open_ones = [feature for feature in wrong if feature.known is None or not feature.known.accepted]
    severe = [finding for finding in report.findings if finding.severity == "fail"]
    others = [finding for finding in report.findings if finding.severity != "fail"]
    page.add(severe, _finding, "findings", _FINDINGS_SHARE)
    page.table(open_ones, "features of the table")
    page.add(open_ones, _detail, "details of features", _DETAILS_SHARE)
    page.fold(f"{len(known)} known and not worse", known, "known features")
    page.add(others, _finding, "findings")
    page.add(
        report.skipped, lambda entry: f"- not compared: {code(entry['view'])}: {plain(entry['reason'])}\n", "views"
    )
    return page.text()


class _Page:
    """Grows piece by piece as long as there is room, and counts what there was no room for."""

    def __init__(self, head: str) -> None:
        self._parts = [head]
        # Room for the last line, and for the end of what is folded.
        self._room = LONGEST - len(head) - 500
        self._left_out: dict[str, int] = {}

    def add(self, items: Sequence[_Item], write: Callable[[_Item], str], what: str, most: float = 1.0) -> None:
        """Write as many items as there is room for, or as many as fill that share of the room."""
        floor = self._room * (1.0 - most)
        for done, item in enumerate(items):
            text = write(item)
            if self._room - len(text) < floor:
                self._left_out[what] = self._left_out.get(what, 0) + len(items) - done
                return
            self._put(text)

    def table(self, features: Sequence[FeatureResult], what: str, most: float = _TABLE_SHARE) -> None:
        """Write a table of features, with an empty line after it; nothing for none."""
        if features and self._room > 1_000:
            self._put("\n" + "\n".join(_HEAD) + "\n")
            self.add(features, _row, what, most)
            self._put("\n")
        elif features:
            self._left_out[what] = len(features)

    def fold(self, title: str, features: Sequence[FeatureResult], what: str) -> None:
        """Write a table that is opened by a click."""
        if features:
            self._put(f"<details><summary>{title}</summary>\n")
            self.table(features, what, 1.0)
            self._put("</details>\n\n")

    def text(self) -> str:
        """Give the page with a line for what was left out."""
        if self._left_out:
            counts = ", ".join(f"{count:,} {what}" for what, count in self._left_out.items())
            self._parts.append(
                f"\n_Left out to stay below {LONGEST:,} characters: {counts}. The JSON report has all of them._\n"
            )
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._room -= len(text)


def _row(feature: FeatureResult) -> str:
    cause = leading(feature.causes)[0].code if feature.causes else "-"
    cells = (
        f"{_MARKS[feature.verdict]} {feature.verdict.value}",
        _named(feature),
        _rate(feature.metrics.get("mismatch_rate")),
        _rate(feature.metrics.get("presence_rate")),
        plain(short(cause)),
        plain(short(feature.owner)) or "-",
    )
    return f"| {' | '.join(cells)} |\n"


_STATES = {"known": "known", "new": "new", "worse": "worse", "other_cause": "another cause"}


def _named(feature: FeatureResult) -> str:
    state = "" if feature.known is None else f" {_STATES[feature.known.state]}"
    return code(f"{short(feature.view)}:{short(feature.feature)}") + state


def _rate(metric: Metric | None) -> str:
    return "-" if metric is None or metric.value is None else f"{metric.value:.3%}" if metric.value else "0"


def _detail(feature: FeatureResult) -> str:
    lines = [f"<details><summary>{feature.verdict.value} {_named(feature)}</summary>", ""]
    lines += [f"- why: {plain(reason)}" for reason in feature.reasons]
    for cause in leading(feature.causes):
        lines += [f"- cause {code(cause.code)}: {plain(cause.detail)}", f"  - remedy: {plain(cause.remedy)}"]
    if feature.owner:
        lines.append(f"- owner: {plain(feature.owner)}")
    if feature.runbook:
        lines.append(f"- runbook: {plain(feature.runbook)}")
    if feature.services:
        lines.append(f"- services: {', '.join(code(service) for service in feature.services)}")
    return "\n".join([*lines, "", "</details>", "", ""])


def _finding(finding: Finding) -> str:
    about = f" {code(finding.view)}" if finding.view else ""
    known = f" ({plain(finding.known.reason)})" if finding.known is not None else ""
    mark = f"{_MARKS[Verdict.FAIL]} " if finding.severity == "fail" else ""
    text = f"- {mark}{plain(finding.code)} {plain(finding.severity)}{known}{about}: {plain(finding.detail)}\n"
    return text + (f"  - remedy: {plain(finding.remedy)}\n" if finding.remedy else "")
