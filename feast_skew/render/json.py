"""The report as JSON, by the public schema."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from feast_skew.render.base import renderer
from feast_skew.render.wording import without_commands
from feast_skew.report import SkewReport

_UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


@renderer("json")
def render(report: SkewReport) -> str:
    """Give the report as indented JSON with a final newline; numbers that are not finite become null.

    What could steer a terminal or a pipeline, or cannot be written as UTF-8, stands as an escape.
    """
    text = json.dumps(_finite(report.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)
    text = _UNSAFE.sub(lambda found: _escape(found.group()), text)
    return without_commands(text, _escape) + "\n"


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
