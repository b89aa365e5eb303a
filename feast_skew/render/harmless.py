"""Texts and JSON that steer neither a terminal nor the pipeline in whose log they end up, whatever names and values they hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from feast_skew.render.wording import without_commands

_NOT_PLAIN = re.compile("[^\n\x20-\x7e]")


def harmless_text(lines: Sequence[str]) -> str:
    """Give lines, already without control characters, as a text with a final newline that commands no pipeline."""
    return without_commands("\n".join(lines) + "\n", "{} ".format)


def harmless_json(content: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Give plain values as indented JSON with a final newline; numbers that are not finite become null.

    What could steer a terminal or a pipeline, or cannot be written as UTF-8, stands as an escape.
    """
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False, default=default)
    text = _NOT_PLAIN.sub(lambda found: found.group() if found.group().isprintable() else _escape(found.group()), text)
    return without_commands(text, _escape) + "\n"


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value
