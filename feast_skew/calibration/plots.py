"""A calibration as one HTML page: for each limit the runs it comes from, and what other limits would have done; drawn as SVG, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feast_skew.calibration.calibrate import AGREES, HUMAN, Calibration, Proposal
from feast_skew.calibration.doubts import doubts
from feast_skew.calibration.incidents import concerning
from feast_skew.calibration.tradeoffs import Tradeoff
from feast_skew.render.html_report.parts import environment, policy, style
from feast_skew.render.wording import without_commands
from feast_skew.report import iso
from feast_skew.statistics.resampled import PSI

MOST = 300
"""Limits that are drawn; the other formats have all of them."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 200, 58, 14, 14, 30
_ABOVE = 4.0
"""A plot reaches to so many limits: what lies beyond stands at its upper edge, or no clean run could be told from another."""


@dataclass(frozen=True)
class Mark:
    """A run: where it stands in the plot, whether its value lies above the plot, and what is said of it."""

    x: float
    y: float
    above: bool
    beyond: bool
    text: str


@dataclass(frozen=True)
class Plot:
    """The runs of one metric of one feature over time, in places of a drawing of 640 by 200."""

    proposal: Proposal
    marks: tuple[Mark, ...]
    bands: tuple[tuple[float, float, str], ...]
    limit: float
    human: float | None
    heights: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str, str], ...]
    tradeoffs: tuple[Tradeoff, ...]


def render_html(found: Calibration) -> str:
    """Give the page; it holds all that it needs, and nothing in it runs."""
    limited = sorted((one for one in found.proposals if one.limit is not None), key=_telling_first)
    template = environment("feast_skew.calibration").get_template("calibration.html.jinja")
    text = template.render(
        found=found,
        plots=[_plot(one, found) for one in limited[:MOST]],
        left_out=max(0, len(limited) - MOST),
        agreeing=len(found.proposals) - len(limited),
        doubts=doubts(found),
        policy=policy([], style()),
        style=style(),
        box={
            "width": WIDTH,
            "height": HEIGHT,
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "top": TOP,
            "bottom": HEIGHT - BOTTOM,
        },
    )
    return without_commands(text, lambda character: f"&#{ord(character)};")


def _telling_first(one: Proposal) -> tuple[int, int, str, str, str]:
    return -sum(catch.runs > 0 for catch in one.catches), -one.false_alarms, one.view, one.feature, one.metric


def _plot(one: Proposal, found: Calibration) -> Plot:
    assert one.limit is not None  # noqa: S101  only those with a limit are drawn
    limit = one.limit.value
    base = AGREES.get(one.metric, 0.0)
    largest = max((seen.value for seen in one.seen), default=base)
    reach = max(1.15 * (limit - base), min(largest - base, _ABOVE * (limit - base))) or 1.0
    top = base + reach
    moments = [seen.at for seen in one.seen]
    first, last = min(moments), max(moments)
    first, last = (first - timedelta(hours=12), last + timedelta(hours=12)) if first == last else (first, last)

    def x(at: datetime) -> float:
        share = (at - first) / (last - first)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - RIGHT - LEFT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - min(max(value - base, 0.0) / reach, 1.0) * (HEIGHT - BOTTOM - TOP), 1)

    marks = [
        Mark(x(seen.at), y(seen.value), seen.value > top, seen.value > limit, f"{iso(seen.at)}: {seen.value:.4g}")
        for seen in one.seen
    ]
    bands = [
        (x(incident.start), max(2.0, round(x(incident.end) - x(incident.start), 1)), incident.name)
        for incident in concerning(found.incidents, one.view, one.feature)
        if incident.end >= first and incident.start <= last
    ]
    ends = ((x(first), f"{first:%Y-%m-%d}", "start"), (x(last), f"{last:%Y-%m-%d}", "end"))
    human = y(HUMAN) if one.metric == PSI and top >= HUMAN else None
    heights = tuple((y(value), f"{value:.3g}") for value in _apart((base, limit, top), reach))
    return Plot(one, tuple(marks), tuple(bands), y(limit), human, heights, ends, one.tradeoffs)


def _apart(values: Sequence[float], reach: float) -> list[float]:
    """Leave out what would be written over another."""
    kept: list[float] = []
    for value in values:
        if all(abs(value - other) > reach / 12 for other in kept):
            kept.append(value)
    return kept
