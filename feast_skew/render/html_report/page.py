"""The page: the templates filled in, with its style, its scripts and the hashes by which the browser knows them."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from feast_skew.render.html_report import text
from feast_skew.render.html_report.charts import chart_data
from feast_skew.render.html_report.glossary import used
from feast_skew.render.html_report.rows import FeatureRow, Filters, feature_row, worst_first
from feast_skew.render.wording import WORDS, against_baseline, reach
from feast_skew.report import SkewReport, Verdict, rank

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = files("feast_skew.render.html_report")
_MARKS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.FAIL: "✕",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "✕",
}
_SEVERITIES = {"fail": 0, "warn": 1, "info": 2}


def page(report: SkewReport) -> str:
    """Give the whole page; it holds all that it needs, and its policy lets the browser load and run nothing else."""
    features = worst_first(report.features)
    filters = Filters()
    rows = [feature_row(feature, filters) for feature in features]
    style, library, script = _style(), _library(), _script()
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            policy=_policy([library, script], style),
            style=style,
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
    )


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
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("feast_skew.render.html_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=text.visible,
        name=lambda content: text.visible(content, text.NAME),
        value=text.value,
        share=text.share,
        number=text.number,
        mark=lambda verdict: _MARKS[Verdict(verdict)],
    )
    return environment


def _policy(scripts: list[str], style: str) -> str:
    """Allow these scripts and this style, and nothing else; only what the template wrote is ever turned into markup."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types own"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _style() -> str:
    return _read("static", "page.css")


@cache
def _script() -> str:
    return _read("static", "charts.js") + _read("static", "page.js")


@cache
def _library() -> str:
    """Give the vendored library with its licence, in the order in which its modules need each other."""
    modules = json.loads(_read("vendor", "modules.json"))
    licence = _read("vendor", "LICENSE")
    return f"/*\n{licence}*/\n" + "".join(_read("vendor", module["file"]) for module in modules)


def _read(folder: str, name: str) -> str:
    return (_HERE / folder / name).read_text(encoding="utf-8")
