"""What is to be compared: features, views and the plan of a run, resolved once from a registry or from tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from feast_skew.core.definition import Definition
from feast_skew.core.equality import Tolerance
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.types import DeclaredType

_BOOKKEEPING = ("meta", "description", "owner", "tags", "project", "name")


@dataclass(frozen=True)
class Limits:
    """What a feature is held to; times in nanoseconds, shares in 0..1, None where nothing is asked."""

    mismatch_budget: float = 0.001
    presence_budget: float = 0.001
    max_lag: int | None = None
    align_within: int = 0
    psi: float | str | None = None
    mean: float | str | None = None
    variance: float | str | None = None
    null_rate: float | str | None = None
    ignored: str | None = None
    ignored_until: date | None = None

    def of(self, metric: str) -> float | str | None:
        """Give the limit on a metric of the distributions by its key; None where none is asked, or there is none to ask."""
        names = {
            "psi": "psi",
            "mean_difference": "mean",
            "variance_ratio": "variance",
            "null_rate_difference": "null_rate",
        }
        found: float | str | None = getattr(self, names[metric]) if metric in names else None
        return found

    @classmethod
    def asked(cls, settings: Any) -> Limits:
        """Take the limits out of a feature's settings."""
        ignore = settings.ignore
        names = (
            "mismatch_budget",
            "presence_budget",
            "max_lag",
            "align_within",
            "psi",
            "mean",
            "variance",
            "null_rate",
        )
        return cls(
            **{name: getattr(settings, name) for name in names},
            ignored=f"ignored until {ignore.until}: {ignore.reason}" if ignore else None,
            ignored_until=ignore.until if ignore else None,
        )


@dataclass(frozen=True)
class FeaturePlan:
    """One feature of a view: its declared type, what equality and limits mean for it, who owns it, and who uses it.

    `definition` says from which events it is computed, None where nobody said so.
    """

    view: str
    name: str
    declared: DeclaredType
    tolerance: Tolerance
    limits: Limits
    owner: str = ""
    runbook: str = ""
    channel: str = ""
    services: tuple[str, ...] = ()
    definition: Definition | None = None
    feast_type: Any = field(default=None, compare=False, repr=False)

    @property
    def ref(self) -> str:
        """The feature as Feast writes it, `view:feature`."""
        return f"{self.view}:{self.name}"


@dataclass(frozen=True)
class SourceVersion:
    """The semantic fingerprint of a view with the source that it had, in a form that can be stored."""

    fingerprint: str
    source_name: str
    source: dict[str, Any]
    first_seen: str = ""
    last_seen: str = ""

    @property
    def reads(self) -> dict[str, Any]:
        """The source without its name and what is only said about it: equal ones give the same rows."""
        return {key: value for key, value in self.source.items() if key not in _BOOKKEEPING}


@dataclass(frozen=True)
class Projection:
    """One use of a view by what was asked for: its name in serving, its features, and the columns that hold its keys.

    `columns` are in the order of the view's join keys; a feature service may map these to other names.
    """

    alias: str
    features: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ViewPlan:
    """One view: the features to compare, its entity keys, and the facts that explain differences.

    `ttl` is in nanoseconds, None for no limit, and so is `key_ttl`, after which the online store forgets a whole row since it was
    written; `materialized` tells whether the registry records a materialization, and `materializations` are the ranges of event
    timestamps of those, in the order in which they were recorded, in nanoseconds; `keeps_newer` whether the online store drops
    writes that are not newer than what it has; `written` is the range that was materialized right before the run; `handle` is the adapter's own object.
    """

    name: str
    keys: KeySet
    features: tuple[FeaturePlan, ...]
    ttl: int | None = None
    materialized: bool = True
    keeps_newer: bool = False
    source_changed: str = ""
    version: SourceVersion | None = None
    projections: tuple[Projection, ...] = ()
    key_ttl: int | None = None
    materializations: tuple[tuple[int, int], ...] = ()
    written: tuple[int, int] | None = None
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class OnDemandPlan:
    """One on-demand view: its features, the views that it computes them from, and what a request has to bring.

    `view` names the features, and the join keys under the names of a request; `request` are the columns of request data.
    `maps` holds, by source, the column of a request for each of its join keys; `stored` tells that serving reads the
    values from the online store, where they were written, and computes none.
    """

    view: ViewPlan
    sources: tuple[ViewPlan, ...]
    request: tuple[JoinKey, ...] = ()
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stored: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a request: join keys, then request data."""
        return (*self.view.keys.names, *(column.name for column in self.request))


@dataclass(frozen=True)
class ServicePlan:
    """One feature service with vectors computed beforehand: its views, and the join key behind each column of a request.

    A vector is found by the keys of the first view, `primary`, which a request gives in `key_columns`. `computes` names an
    on-demand view in it, for which serving never uses the vectors; empty without one.
    """

    name: str
    columns: tuple[tuple[str, KeySet, str], ...]
    primary: KeySet
    key_columns: tuple[str, ...]
    computes: str = ""
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Skipped:
    """A view that is not compared, and why."""

    view: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything that a run compares; `registered` are all features of the registry by view, compared or not."""

    project: str
    views: tuple[ViewPlan, ...]
    skipped: tuple[Skipped, ...] = ()
    on_demand: tuple[OnDemandPlan, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def key_sets(self) -> dict[KeySet, list[ViewPlan]]:
        """Group the views by their entity keys, in the order in which they appear."""
        groups: dict[KeySet, list[ViewPlan]] = {}
        for view in self.views:
            groups.setdefault(view.keys, []).append(view)
        return groups

    def key_columns(self) -> dict[KeySet, tuple[tuple[str, ...], ...]]:
        """Give for each key set the columns in which its entities may be given, by use of its views."""
        return {
            keys: tuple(dict.fromkeys(use.columns for view in views for use in view.projections))
            for keys, views in self.key_sets().items()
        }
