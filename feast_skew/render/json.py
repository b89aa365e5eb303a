"""The report as JSON, by the public schema."""

from __future__ import annotations

from feast_skew.render.base import renderer
from feast_skew.render.harmless import harmless_json
from feast_skew.report import SkewReport


@renderer("json")
def render(report: SkewReport) -> str:
    """Give the report as indented JSON with a final newline; see `harmless_json`."""
    return harmless_json(report.to_dict())
