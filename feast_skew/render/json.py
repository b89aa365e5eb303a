"""The report as JSON, by the public schema."""

from __future__ import annotations

import json
import math
from typing import Any

from feast_skew.render.base import renderer
from feast_skew.report import SkewReport


@renderer("json")
def render(report: SkewReport) -> str:
    """Give the report as indented JSON with a final newline; numbers that are not finite become null."""
    return json.dumps(_finite(report.to_dict()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
