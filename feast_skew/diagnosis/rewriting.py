"""How rows get into the online store whose event timestamp is not newer than what it has."""

from __future__ import annotations

from feast_skew.core.model import ViewPlan


def write_again(view: ViewPlan) -> str:
    """Give the step that writes the rows of a view again under the event timestamps that they have."""
    if view.keeps_newer:
        return (
            f"set `skip_dedup: true` in online_store, materialize view {view.name} over the same range, take it out again; "
            f"nothing is missing meanwhile. Or write the wrong rows alone: `feast-skew repair --view {view.name} --sample all --yes`"
        )
    return f"materialize view {view.name} over the same range again"
