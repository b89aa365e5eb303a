"""Calibrates a repository: from the runs of its history, and where there is none from offline's present data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from feast_skew.assembly import layered
from feast_skew.calibration.calibrate import Calibration, calibrate
from feast_skew.calibration.incidents import Incident
from feast_skew.calibration.present import SHIFTS, SPLITS, present_profiles
from feast_skew.errors import ConfigError
from feast_skew.measuring.progress import Progress
from feast_skew.remembered import open_history
from feast_skew.report import iso
from feast_skew.setting_values import EVERYONE

_MANY = 1 << 62


def calibrate_history(
    repo: Path,
    config: str | Path | None,
    since: str,
    now: datetime,
    incidents: Sequence[Incident],
    *,
    rate: float,
    method: str,
    seed: int,
    progress: Progress,
) -> Calibration | None:
    """Propose limits from the stored runs since a moment; None when none is stored at all. Neither Feast nor a store is asked.

    Raises
    ------
    ConfigError
        When the history, or the settings, cannot be read, or all runs are older.
    """
    opened = open_history(repo, config)
    runs, until = opened.history.runs(opened.project), iso(now + timedelta(days=1))
    profiles = runs.profiles(since, until)
    if not profiles:
        newest = runs.latest(1)
        if newest:
            raise ConfigError(
                f"project {opened.project}: no run is stored since {since}, the newest is of {newest[0].created_at}",
                hint="ask for a longer time with --last",
            )
        return None
    failed = runs.failures(since, until)
    return calibrate(
        opened.project, profiles, incidents, failed=failed, rate=rate, method=method, seed=seed, progress=progress
    )


def calibrate_present(
    repo: Path,
    config: str | Path | None,
    now: datetime,
    every: timedelta,
    *,
    rate: float,
    method: str,
    seed: int | None,
    progress: Progress,
) -> Calibration:
    """Propose limits where no run is stored; `basis` says what they come from, and what they cannot know.

    Parameters
    ----------
    every : timedelta
        How far apart the moments are at which offline is held against itself, such as the time between two materializations.

    Raises
    ------
    ConfigError
        When there is no repository, or nothing in it has rows enough.
    """
    from feast_skew.stores.feast_offline import FeastOfflineReader
    from feast_skew.stores.feast_registry import Selection, build_plan
    from feast_skew.stores.feast_repository import open_store

    store = open_store(repo)
    flags = {} if seed is None else {"seed": seed}
    layers = layered(store, repo, config, flags)
    plan, settings = build_plan(store, Selection((), (), ()), layers), layers.run
    sample = _MANY if settings.sample == EVERYONE else settings.sample
    found = present_profiles(plan, FeastOfflineReader(store), now, every, sample, settings.seed, progress)
    if not found.profiles:
        reason = next(iter(found.skipped.values()), "no view is online")
        raise ConfigError(
            f"project {plan.project}: no run is stored, and the present data give no limit: {reason}",
            hint="run `feast-skew validate` every day, and calibrate then",
        )
    basis = (
        f"no stored run: offline's present values, held against those of up to {SHIFTS} moments {_told(every)} apart, and "
        f"{SPLITS} times one half of the entities against the other; what the online store does is not in them, so calibrate again after some weeks of runs"
    )
    given = calibrate(plan.project, found.profiles, rate=rate, method=method, seed=settings.seed, basis=basis)
    return replace(given, skipped={**found.skipped, **given.skipped})


def _told(every: timedelta) -> str:
    days = every / timedelta(days=1)
    return f"{days:g} day{'' if days == 1 else 's'}" if days >= 1 else f"{every / timedelta(hours=1):g} hours"
