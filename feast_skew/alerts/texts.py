"""The message to an owner: what is new, worse or resolved, since when, how many entities, the likely cause, what to do first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from feast_skew.alerts.news import ENDED, GONE, NEW, RESOLVED, WORSE, News
from feast_skew.owners import file_name
from feast_skew.render.wording import leading, one_line, short, what_is_wrong
from feast_skew.report import FeatureResult, SkewReport, Verdict

_MOST = 20
_LONGEST = 600
_CALLS = re.compile(r"@(?=everyone|here|channel)|<(?=[!@#])", re.IGNORECASE)


def title_of(report: SkewReport, news: Sequence[News]) -> str:
    """Say in one line what a message is about."""
    counts = [(kind, sum(one.kind == kind for one in news)) for kind in (NEW, WORSE, RESOLVED, GONE)]
    said = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    return harmless(f"feast-skew, {short(report.project)}: {said}")


def body_of(
    report: SkewReport, news: Sequence[News], sinces: Mapping[tuple[str, str], str], link: str, owner: str
) -> str:
    """Give the text of a message; `sinces` say since when features are as they are, by names of the tables, `link` may hold {run_id} and {owner}."""
    paragraphs = [_paragraph(one, sinces) for one in sorted(news, key=lambda one: one.kind in ENDED)[:_MOST]]
    if len(news) > _MOST:
        paragraphs.append(f"and {len(news) - _MOST} more, in the report")
    where = f"run {report.run_id}, as of {report.as_of}"
    if link:
        where += f"\nreport: {link.replace('{run_id}', report.run_id).replace('{owner}', file_name(owner))}"
    else:
        where += f"\nreport: feast-skew report {report.run_id}"
    return "\n\n".join([*paragraphs, where])


def harmless(text: str) -> str:
    """Take from a text what a chat would take for a call to everybody; a name or value never rings a bell."""
    return _CALLS.sub(lambda found: found.group() + " ", text)


def _paragraph(one: News, sinces: Mapping[tuple[str, str], str]) -> str:
    feature, name = one.result, f"{short(one.view)}:{short(one.feature)}"
    was = f"; it was {one.before.verdict.value} since {_minute(one.before.since)}" if one.before else ""
    if feature is None:
        return harmless(f"GONE {name}: no longer in the registry{was}")
    if one.kind == RESOLVED:
        return harmless(f"RESOLVED {name}: {feature.verdict.value} again{was}")
    since = sinces.get(one.name, "")
    at = f" since {_minute(since)}" if since else ""
    word = "could not be read" if feature.verdict is Verdict.ERROR else feature.verdict.value
    lines = [f"{one.kind.upper()} {name}: {word}{at}{_how_many(feature)}"]
    if one.kind == WORSE and one.before is not None and one.before.value is not None:
        lines.append(f"  before: {one.before.verdict.value}, {one.before.value:.2%}")
    causes = leading(feature.causes)
    if causes:
        lines += [f"  likely cause: {cause.code}: {cause.detail}" for cause in causes]
        lines.append(f"  first step: {causes[0].remedy}")
    elif what_is_wrong(feature):
        lines.append(f"  why: {what_is_wrong(feature)}")
    if feature.runbook:
        lines.append(f"  runbook: {feature.runbook}")
    return harmless("\n".join("  " * (i > 0) + one_line(line)[:_LONGEST] for i, line in enumerate(lines)))


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _how_many(feature: FeatureResult) -> str:
    rate = feature.metrics.get("mismatch_rate")
    if rate is None or rate.value is None or "checked" not in rate.extra:
        return f", {feature.counts.get('entities', 0):,} entities"
    return f", {rate.extra['wrong']:,} of {rate.extra['checked']:,} entities differ ({rate.value:.2%})"
