"""Hazards as text for a terminal, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

from feast_skew.lint.base import HAZARDS, Linted
from feast_skew.render.harmless import harmless_json, harmless_text
from feast_skew.render.wording import clean
from feast_skew.report import Finding

SCHEMA_VERSION = "1"
_COLOURS = {"fail": "31;1", "warn": "33", "info": "36"}
_ORDER = tuple(_COLOURS)
_MOST = 8


def render_text(linted: Linted, *, colour: bool = False, width: int = 100) -> str:
    """Give the hazards for a terminal of that width, the worst first; places of one hazard stand together."""
    counts = [sum(finding.severity == severity for finding in linted.findings) for severity in _ORDER]
    said = ", ".join(f"{count} {severity}" for count, severity in zip(counts, _ORDER, strict=True) if count)
    lines = [f"{linted.project}: {said or 'no hazards'} ({linted.views} views)"]
    for code, found in _grouped(linted):
        hazard = HAZARDS[code]
        mark = (
            f"\x1b[{_COLOURS[hazard.severity]}m{code} {hazard.severity}\x1b[0m"
            if colour
            else f"{code} {hazard.severity}"
        )
        lines += ["", f"{mark}  {hazard.title}"]
        for finding in found[:_MOST]:
            text = f"{finding.view}: {finding.detail}" if finding.view else finding.detail
            lines += textwrap.wrap(
                clean(text), width, initial_indent="  ", subsequent_indent="    ", break_long_words=False
            )
        if len(found) > _MOST:
            lines.append(f"  and {len(found) - _MOST} more")
        lines += textwrap.wrap(f"why: {hazard.why}", width, initial_indent="  ", subsequent_indent="       ")
        lines += textwrap.wrap(f"-> {hazard.remedy}", width, initial_indent="  ", subsequent_indent="     ")
    return harmless_text(lines)


def render_json(linted: Linted) -> str:
    """Give the hazards as JSON, a finding for each place."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "project": linted.project,
        "created_at": linted.created_at,
        "views": linted.views,
        "findings": [{**finding.to_dict(), "why": HAZARDS[finding.code].why} for finding in linted.findings],
    }
    return harmless_json(content)


FORMATS: Mapping[str, Callable[[Linted], str]] = {"text": render_text, "json": render_json}


def _grouped(linted: Linted) -> Iterator[tuple[str, list[Finding]]]:
    ordered = sorted(linted.findings, key=lambda finding: (_ORDER.index(finding.severity), finding.code))
    for code, found in groupby(ordered, key=lambda finding: finding.code):
        yield code, list(found)
