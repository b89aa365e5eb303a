"""A calibration as text, JSON, and a file of settings to review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import yaml

from feast_skew.calibration.calibrate import HUMAN, Calibration, Catch, Proposal
from feast_skew.calibration.doubts import doubts
from feast_skew.calibration.limits import Limit
from feast_skew.calibration.plots import render_html
from feast_skew.calibration.tradeoffs import Tradeoff
from feast_skew.render.harmless import harmless_json, harmless_text
from feast_skew.render.wording import clean, short
from feast_skew.report import iso
from feast_skew.statistics.resampled import PSI

_NAMES = ("feature", "metric", "limit", "false alarms per run", "clean runs", "beyond", "incidents caught")


def render_text(found: Calibration) -> str:
    """Give the proposals as a table, and below it what becomes of each incident."""
    lines = [
        clean(f"{found.project}: from {found.basis}"),
        f"asked for: {found.rate:.3g} false alarms per run, by {found.method}",
        "",
    ]
    rows = [_NAMES, *(_row(one, found) for one in found.proposals if one.limit is not None or one.catches)]
    if len(rows) > 1:
        widths = [max(len(row[i]) for row in rows) for i in range(len(_NAMES))]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    agreeing = sum(one.limit is None for one in found.proposals)
    if agreeing:
        lines += [
            "",
            f"{agreeing} of {len(found.proposals)} metrics agree in as many clean runs as asked and need no limit: the mismatch budget holds them",
        ]
    lines += doubts(found)
    lines += [_lowered(one) for one in found.proposals if one.lowered_for]
    for one in found.proposals:
        lines += [_told(one, catch) for catch in one.catches]
    for one in found.proposals:
        lines += _beside(one)
    lines += [clean(f"{name}: {reason}") for name, reason in found.skipped.items()]
    return harmless_text(lines)


def render_json(found: Calibration) -> str:
    """Give the calibration as JSON."""
    content = {
        "schema_version": "1",
        "project": found.project,
        "basis": found.basis,
        "rate": found.rate,
        "method": found.method,
        "proposals": [_to_dict(one, found) for one in found.proposals],
        "skipped": dict(found.skipped),
    }
    return harmless_json(content)


def render_config(found: Calibration) -> str:
    """Give the limits as settings for feast_skew.yaml, each with its rate beside it."""
    head = [
        f"# Limits proposed by feast-skew calibrate from {' '.join(clean(found.basis).split())}.",
        f"# Review them, and put them into feast_skew.yaml. Each is passed by clean runs at the rate beside it{', with its bounds (95 %)' if found.stored else ''}.",
    ]
    head += [*(f"# {' '.join(clean(line).split())}" for line in doubts(found)), "features:"]
    lines: list[str] = []
    name = ""
    for one in found.proposals:
        if one.limit is None:
            continue
        ref = f"{one.view}:{one.feature}"
        if ref != name:
            quoted = yaml.safe_dump(ref, default_style='"', width=10**6, allow_unicode=False).strip()
            lines.append(f"  {quoted}:")
            name = ref
        limit = one.limit
        note = f", {_in_place(one)}" if one.lowered_for else ""
        lines.append(f"    {one.metric}: {_number(limit.value)}  # {_rate(limit, found)}{note}")
    return "\n".join([*head, *lines] if lines else [*head[:-1], "features: {}"]) + "\n"


FORMATS: Mapping[str, Callable[[Calibration], str]] = {
    "text": render_text,
    "json": render_json,
    "config": render_config,
    "html": render_html,
}


def _rate(limit: Limit, found: Calibration) -> str:
    """Give how often clean runs pass a limit, with its bounds where there are any."""
    return f"{limit.rate:.3g}" + (f" ({limit.rate_low:.3g} to {limit.rate_high:.3g})" if found.stored else "")


def _row(one: Proposal, found: Calibration) -> tuple[str, ...]:
    limit = one.limit
    caught = sum(catch.caught is not None for catch in one.catches)
    return (
        short(f"{one.view}:{one.feature}"),
        one.metric,
        "-" if limit is None else f"{limit.value:g}",
        "-" if limit is None else _rate(limit, found),
        f"{one.clean} (worth {limit.worth:.0f})" if limit is not None and found.depends(one) else str(one.clean),
        str(one.false_alarms),
        f"{caught} of {len(one.catches)}" if one.catches else "-",
    )


def _lowered(one: Proposal) -> str:
    assert one.limit is not None  # noqa: S101  what is lowered is a limit
    name = f"{short(one.view)}:{short(one.feature)}, {one.metric}"
    return f"{name}: {one.limit.value:g}, {_in_place(one)}; clean runs pass it at a rate of {one.limit.rate:.3g}"


def _in_place(one: Proposal) -> str:
    before = "no limit" if one.asked is None else f"{one.asked.value:g}, which is passed at {one.asked.rate:.3g},"
    return f"in place of {before} to catch {' and '.join(clean(short(name)) for name in one.lowered_for)}"


def _number(value: float) -> str:
    """Give a number that YAML reads as one: `3e-05` would be text."""
    return str(yaml.safe_dump(float(f"{value:g}"))).split()[0]


def _told(one: Proposal, catch: Catch) -> str:
    name = f"{short(catch.incident)}, {short(one.view)}:{short(one.feature)}, {one.metric}"
    if not catch.runs:
        return f"{name}: no run in it"
    beside = ""
    if one.metric == PSI:
        beside = f"; a limit of {HUMAN} " + (
            "misses it" if catch.caught_by_human is None else f"catches it {_after(catch.first, catch.caught_by_human)}"
        )
    if one.limit is None:
        return f"{name}: no limit, at most {catch.largest:.4g} in {catch.runs} runs{beside}"
    if catch.caught is None:
        return f"{name}: missed, at most {catch.largest:.4g} in {catch.runs} runs{beside}"
    return f"{name}: caught {_after(catch.first, catch.caught)}, at most {catch.largest:.4g}{beside}"


def _beside(one: Proposal) -> list[str]:
    """Give the table of limits of a metric, where one of them catches something; `*` marks the proposed one."""
    if not any(other.caught for other in one.tradeoffs):
        return []
    proposed = None if one.limit is None else one.limit.value
    rows = [("limit", "false alarms per run", "incidents caught", "after")]
    for other in one.tradeoffs:
        mark = "*" if other.limit == proposed else ""
        late = "-" if other.hours is None else "first run" if not other.hours else f"{other.hours:,.0f} hours"
        rows.append((f"{other.limit:.4g}{mark}", f"{other.rate:.3g}", f"{other.caught} of {other.incidents}", late))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return ["", f"{short(f'{one.view}:{one.feature}')}, {one.metric}: other limits (* the proposed one)", *lines]


def _beside_dict(other: Tradeoff) -> dict[str, Any]:
    return {
        "limit": other.limit,
        "false_alarm_rate": other.rate,
        "caught": other.caught,
        "incidents": other.incidents,
        "median_hours": other.hours,
    }


def _after(first: datetime | None, caught: datetime) -> str:
    if first is None or caught == first:
        return "by the first run in it"
    hours = (caught - first).total_seconds() / 3600
    return f"{hours / 24:.1f} days after it" if hours >= 48 else f"{hours:.1f} hours after its first run"


def _lowered_dict(one: Proposal) -> dict[str, Any]:
    before = (None, None) if one.asked is None else (one.asked.value, one.asked.rate)
    return {"from": before[0], "from_rate": before[1], "for": list(one.lowered_for)}


def _to_dict(one: Proposal, found: Calibration) -> dict[str, Any]:
    limit = one.limit
    return {
        "view": one.view,
        "feature": one.feature,
        "metric": one.metric,
        "limit": None if limit is None else limit.value,
        "rate": None
        if limit is None
        else {
            "estimate": limit.rate,
            "low": limit.rate_low if found.stored else None,
            "high": limit.rate_high if found.stored else None,
        },
        "lowered": _lowered_dict(one) if one.lowered_for else None,
        "clean_runs": one.clean,
        "independent_runs": None if limit is None or not found.stored else limit.worth,
        "false_alarms": one.false_alarms,
        "failed_runs": one.failed,
        "runs_apart": [iso(mark.at) for mark in one.apart],
        "runs": [{"at": iso(mark.at), "value": mark.value} for mark in one.seen],
        "incidents": [
            {
                "name": catch.incident,
                "runs": catch.runs,
                "caught_at": None if catch.caught is None else iso(catch.caught),
                "caught_by_0.2_at": None if catch.caught_by_human is None else iso(catch.caught_by_human),
                "largest": catch.largest,
            }
            for catch in one.catches
        ],
        "other_limits": [_beside_dict(other) for other in one.tradeoffs],
    }
