"""Opens a repository for a repair: settings, what is compared, and an online store that can be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from feast_skew.assembly import Opened, layered
from feast_skew.core.model import Skipped
from feast_skew.errors import ConfigError
from feast_skew.repairing.asked import Asked, EarlierRun

if TYPE_CHECKING:
    from feast_skew.config import Settings


def open_for(asked: Asked, run: EarlierRun | None) -> tuple[Opened, Settings]:
    """Open the repository with the settings of a run, and resolve what is compared.

    Raises
    ------
    ConfigError
        When there is no repository, it is another one than the report's, its online store is no Redis, or names or settings are wrong.
    """
    from feast_skew.stores.feast_registry import Selection, build_plan
    from feast_skew.stores.feast_repository import open_store
    from feast_skew.stores.online import check_writer

    store = open_store(asked.repo)
    check_writer(store)
    if run is not None and run.project != store.project:
        raise ConfigError(
            f"report {run.path} is of project {run.project!r}, this repository is {store.project!r}",
            hint="name a report of this repository",
        )
    given = {"sample": asked.sample, "seed": asked.seed, "max_ops": asked.max_ops}
    flags = {name: value for name, value in given.items() if value is not None}
    drawn = dict(run.drawn) if run is not None else {}
    if asked.sample is not None or asked.entities is not None:
        drawn = {name: value for name, value in drawn.items() if name == "seed"}
    if asked.entities is not None or "sample" in {*drawn, *flags}:
        drawn["detect"] = None  # entities, or their number, end a configured sizing
    # Rows are written to primary servers, which replicas may lag behind; rules on values have no say in what is wrong.
    own = {"read_from": "primary", "expectations": False}
    layers = layered(store, asked.repo, asked.config, {**asked.settings, **drawn, **flags, **own})
    selection = Selection(asked.services, asked.views, asked.features)
    if run is not None:
        selection = Selection(features=run.compared)
    plan = build_plan(store, selection, layers)
    computed = tuple(Skipped(one.view.name, _why_computed(one.stored)) for one in plan.on_demand)
    if not plan.views:
        reasons = "; ".join(f"{one.view}: {one.reason}" for one in (*computed, *plan.skipped)[:5])
        raise ConfigError("nothing that was asked for can be repaired", hint=reasons)
    plan = replace(plan, on_demand=(), skipped=(*plan.skipped, *computed))
    return Opened(store, plan, layers.run, asked.repo), layers


def _why_computed(stored: bool) -> str:
    if stored:
        return "computed when it was written, so no offline row holds its values; write its source again"
    return "computed at request; its sources are repaired under their own names"
