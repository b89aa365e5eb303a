"""The page: the templates filled in, with its style, its scripts and the hashes by which the browser knows them."""

from __future__ import annotations

import json
from functools import cache

from feast_skew.render.html_report.charts import chart_data
from feast_skew.render.html_report.glossary import used
from feast_skew.render.html_report.parts import environment, policy, read, style
from feast_skew.render.html_report.rows import FeatureRow, Filters, feature_row, worst_first
from feast_skew.render.wording import WORDS, against_baseline, reach, without_commands
from feast_skew.report import SkewReport, Verdict, rank

_PACKAGE = "feast_skew.render.html_report"
_SEVERITIES = {"fail": 0, "warn": 1, "info": 2}


def page(report: SkewReport) -> str:
    """Give the whole page; it holds all that it needs, and its policy lets the browser load and run nothing else."""
    features = worst_first(report.features)
    filters = Filters()
    rows = [feature_row(feature, filters) for feature in features]
    library, script = _library(), _script()
    template = environment(_PACKAGE).get_template("page.html.jinja")
    text = template.render(
        report=report,
        policy=policy([library, script], style()),
        style=style(),
        library=library,
        script=script,
        data=chart_data(report, features),
        sentence=f"{WORDS[report.verdict][0].upper()}{WORDS[report.verdict][1:]}",
        tally=_tally(report),
        reach=reach(report),
        baseline=against_baseline(report),
        verdicts=_verdicts(report),
        findings=sorted(report.findings, key=lambda finding: _SEVERITIES.get(finding.severity, len(_SEVERITIES))),
        rows=rows,
        owners=filters.owners.listed(),
        services=filters.services.listed(),
        causes=filters.causes.listed(),
        definitions=used(_shown_metrics(rows)),
    )
    # Standard output may be the log of a pipeline.
    return without_commands(text, lambda character: f"&#{ord(character)};")


def _tally(report: SkewReport) -> str:
    """Finish the sentence of the verdict: how many features have which."""
    counts = [f"{count:,} {verdict}" for verdict, count in _verdicts(report)]
    of = f"of {len(report.features):,} feature{'' if len(report.features) == 1 else 's'}"
    return f"{of}, {', '.join(counts)}" if counts else "no feature was compared"


def _shown_metrics(rows: list[FeatureRow]) -> set[str]:
    return {metric.key for row in rows for metric in row.metrics}


def _verdicts(report: SkewReport) -> list[tuple[str, int]]:
    """Give the verdicts that features have, the worst first, with their numbers."""
    counted = {verdict: sum(feature.verdict is verdict for feature in report.features) for verdict in Verdict}
    return [(verdict.value, counted[verdict]) for verdict in sorted(Verdict, key=rank) if counted[verdict]]


@cache
def _script() -> str:
    return read("static", "charts.js") + read("static", "page.js")


@cache
def _library() -> str:
    """Give the vendored library with its licence, in the order in which its modules need each other."""
    modules = json.loads(read("vendor", "modules.json"))
    licence = read("vendor", "LICENSE")
    return f"/*\n{licence}*/\n" + "".join(read("vendor", module["file"]) for module in modules)
