"""The picture of docs/benchmarks.md: entities a second by world and reader."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

COLOURS = ("#0b6e4f", "#6fb98f", "#c8553d", "#f28f6b", "#8d99ae")


def draw_speeds(speeds: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str], path: Path) -> None:
    """Draw the medians as bars on a logarithmic scale, a group per world, into a file whose ending names its format."""
    import altair as alt

    worlds = list(speeds)
    bars = [
        {"world": world, "reader": name, "speed": statistics.median(speeds[world][name])}
        for world in worlds
        for name in names
        if speeds[world].get(name)
    ]
    # A bar on a logarithmic scale has to begin somewhere: at the power of ten below the shortest.
    least = 10 ** math.floor(math.log10(min(float(str(bar["speed"])) for bar in bars)))
    shown = [name for name in names if any(bar["reader"] == name for bar in bars)]
    chart = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar()
        .encode(
            x=alt.X(
                "speed:Q",
                scale=alt.Scale(type="log", domainMin=least),
                stack=None,
                title="entities a second (logarithmic)",
                axis=alt.Axis(format="~s"),
            ),
            x2=alt.datum(least),
            y=alt.Y("reader:N", sort=shown, title=None, axis=None),
            color=alt.Color(
                "reader:N",
                sort=shown,
                title=None,
                scale=alt.Scale(domain=shown, range=list(COLOURS[: len(shown)])),
                legend=alt.Legend(orient="top", columns=3, labelLimit=300),
            ),
            row=alt.Row(
                "world:N",
                sort=worlds,
                title=None,
                spacing=6,
                header=alt.Header(labelAngle=0, labelAlign="left", labelLimit=300),
            ),
        )
        .properties(width=460, height=alt.Step(10))
        .configure(background="white")
    )
    chart.save(str(path))
