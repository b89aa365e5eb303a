"""Reasons to doubt that the runs behind a calibration were clean, in words."""

from __future__ import annotations

from feast_skew.calibration.calibrate import Calibration, Proposal
from feast_skew.render.wording import short
from feast_skew.report import iso

_NAMED = 5


def doubts(found: Calibration) -> list[str]:
    """Give a line for all features that failed in runs taken as clean, and one for each limit whose runs lie far apart."""
    limited = [one for one in found.proposals if one.limit is not None]
    failed: dict[str, str] = {}
    for one in sorted(limited, key=lambda one: -one.failed / one.clean):
        if one.failed:
            failed.setdefault(f"{short(one.view)}:{short(one.feature)}", f"{one.failed} of {one.clean}")
    lines = []
    if failed:
        named = [f"{name} in {count}" for name, count in list(failed.items())[:_NAMED]]
        more = [f"{len(failed) - _NAMED:,} more features"] if len(failed) > _NAMED else []
        lines.append(
            f"failed in runs taken as clean: {', '.join(named + more)}; what was wrong in these runs, their limits let pass"
        )
    return lines + [_far(one) for one in limited if one.apart]


def _far(one: Proposal) -> str:
    farthest = max(one.apart, key=lambda seen: seen.value)
    count = "1 run lies" if len(one.apart) == 1 else f"{len(one.apart)} runs lie"
    return (
        f"{short(one.view)}:{short(one.feature)}, {one.metric}: {count} far from the others, farthest that of {iso(farthest.at)} "
        f"({farthest.value:.4g}); if something was wrong then, put it into the file of incidents"
    )
