"""What users should know of a view beside the verdicts of its features."""

from __future__ import annotations

from collections.abc import Sequence

from feast_skew.measuring.drawing import Measured
from feast_skew.measuring.orphans import Orphans
from feast_skew.report import Finding


def findings_of(parts: Sequence[Measured], null_rows: int, orphans: Orphans | None) -> list[Finding]:
    """Give the findings of one view, measured in one or more parts, in the order of their codes."""
    view = parts[0].view
    retrained = max(part.training.retrained or 0.0 for part in parts)
    outdated = max(part.training.outdated for part in parts)
    ties, moved = max(part.tally.ties for part in parts), max(part.tally.moved for part in parts)
    found = []
    if retrained:
        found.append(
            Finding(
                "FS201",
                "warn",
                view.name,
                f"get_historical_features gives other values than the source's rows at the same instant for "
                f"{retrained:.1%} of the probed entities; training's values were compared",
                "look for integers with nulls, colliding keys, or a time zone in the offline store",
            )
        )
    if ties:
        found.append(
            Finding(
                "FS202",
                "warn",
                view.name,
                f"{ties:,} entities have several offline rows with the same timestamp, none of them newer",
                "add a created timestamp to the source, or keep one row per entity and timestamp",
            )
        )
    if null_rows:
        found.append(null_keys(view.name, "offline", null_rows))
    if orphans is not None and orphans.found:
        reach = "" if orphans.complete else "; not all keys were looked at"
        found.append(
            Finding(
                "FS204",
                "warn",
                view.name,
                f"{orphans.found:,} of {orphans.scanned:,} scanned keys hold a row of an entity that offline does not "
                f"know{reach}",
                "delete these keys online, or restore the offline rows",
            )
        )
    if moved:
        found.append(
            Finding(
                "FS205",
                "info",
                view.name,
                f"{moved:,} entities changed online while they were compared; their new rows were taken",
                "nothing to do",
            )
        )
    if outdated:
        found.append(
            Finding(
                "FS207",
                "warn",
                view.name,
                f"get_historical_features gave an earlier version of the row for {outdated:,} of the probed entities, "
                f"although offline has a newer one with the same event timestamp; the newest was compared",
                "this offline store does not heed the created timestamp: keep one row per entity and timestamp",
            )
        )
    return found


def null_keys(view: str, side: str, rows: int) -> Finding:
    """Give the finding that rows of one side have no whole key."""
    return Finding(
        "FS203",
        "info",
        view,
        f"{rows:,} {side} rows have a null join key and were left out",
        "drop such rows in the pipeline: Feast cannot serve them",
    )


def contradicting_rows(view: str, side: str, keys: int, rows: int, left_out: int) -> Finding:
    """Give the finding that rows of one key (and instant) hold different values on one side."""
    return Finding(
        "FS208",
        "warn",
        view,
        f"{keys:,} keys have {rows:,} {side} rows that contradict each other; none was picked. {left_out:,} entities with "
        f"such rows in either table were left out, and the bounds take each of them as possibly wrong",
        f"keep one {side} row per key, or per key and event_timestamp where both tables have it",
    )


def repeated_rows(view: str, side: str, keys: int, rows: int) -> Finding:
    """Give the finding that rows of one side are there more than once, with the same values."""
    return Finding(
        "FS209",
        "info",
        view,
        f"{rows:,} {side} rows repeat another row of their key with the same values and were taken as one ({keys:,} keys)",
        "nothing to do; a join that multiplies rows is the usual reason",
    )


def undated_rows(view: str, rows: int) -> Finding:
    """Give the finding that offline rows have no event timestamp."""
    return Finding(
        "FS210",
        "warn",
        view,
        f"{rows:,} offline rows have no event_timestamp and were left out",
        "fill it in: no row can be held against them",
    )


def unshared_columns(view: str, offline: Sequence[str], online: Sequence[str]) -> Finding:
    """Give the finding that columns of one table are not in the other one."""
    sides = [f"only {side}: {', '.join(names)}" for side, names in (("offline", offline), ("online", online)) if names]
    return Finding(
        "FS211",
        "info",
        view,
        f"columns of one table were not compared ({'; '.join(sides)})",
        "give both tables the same column names to compare them",
    )
