"""The report as workflow commands of GitHub Actions, which become annotations: one line each, the worst first."""

from __future__ import annotations

from feast_skew.render.base import renderer
from feast_skew.render.wording import (
    WORDS,
    against_baseline,
    clean,
    finding_line,
    one_line,
    short,
    stops,
    tally,
    what_is_wrong,
)
from feast_skew.report import SkewReport, Verdict, rank

SHOWN = 10
"""How many annotations of each level GitHub shows of one step."""
_LEVELS = ("error", "warning", "notice")
_SEVERITIES = {"fail": "error", "warn": "warning", "info": "notice"}


@renderer("github")
def render(report: SkewReport) -> str:
    """Give one annotation per feature that is not `pass` and per finding, errors before warnings before notices.

    Errors are what ends the run with another exit code than 0. GitHub shows ten of each level and step: a first notice has
    the verdict, and how many there are.
    """
    found: list[tuple[str, int, str]] = []
    for feature in report.features:
        if feature.verdict is not Verdict.PASS:
            level = "error" if stops(report, feature) else "warning"
            title = f"{feature.verdict.value} {short(feature.view)}:{short(feature.feature)}"
            text = what_is_wrong(feature)
            owner = f" (owner {one_line(feature.owner)})" if feature.owner else ""
            found.append((level, rank(feature.verdict), _command(level, title, text + owner)))
    for finding in report.findings:
        level = _SEVERITIES.get(finding.severity, "notice")
        title = f"{finding.code} {short(finding.view)}".rstrip()
        found.append((level, 0 if level == "error" else len(Verdict), _command(level, title, finding_line(finding))))
    found.sort(key=lambda entry: (_LEVELS.index(entry[0]), entry[1]))
    return "".join(f"{line}\n" for line in (_verdict(report, [level for level, _, _ in found]), *(e[2] for e in found)))


def _verdict(report: SkewReport, levels: list[str]) -> str:
    parts = [f"{WORDS[report.verdict]}; {tally(report)}", *against_baseline(report)]
    counts = [f"{levels.count(level)} {level}s" for level in _LEVELS if levels.count(level) > SHOWN]
    if counts:
        parts.append(f"{' and '.join(counts)}, of which GitHub shows {SHOWN} each: all are in the log and the report")
    title = f"feast-skew {report.verdict.value.upper()} {short(report.project)}"
    return _command("notice", title, one_line("; ".join(parts)))


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_property(clean(title))}::{_data(text)}"


def _data(text: str) -> str:
    """Escape a message as GitHub's toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
