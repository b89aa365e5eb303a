"""The report as one HTML file that opens offline: texts, filters and charts, with nothing fetched from anywhere."""

from __future__ import annotations

from feast_skew.render.base import renderer
from feast_skew.render.html_report.page import page
from feast_skew.report import SkewReport


@renderer("html")
def render(report: SkewReport) -> str:
    """Give the report as one self-contained page: the verdict first, the worst features first, each opened on demand."""
    return page(report)
