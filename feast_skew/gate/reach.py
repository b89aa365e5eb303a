"""Whom a change reaches: the services that read a view, itself or through others, the models behind them, the owners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from feast_skew.gate.proposal import Reach


@dataclass(frozen=True)
class Reader:
    """A service, or a view that is computed from others: what it reads, who owns it, and the models that it names."""

    name: str
    reads: frozenset[str]
    is_service: bool
    owner: str = ""
    models: tuple[str, ...] = ()


def reach_of(name: str, readers: Iterable[Reader], owners: Mapping[str, Iterable[str]]) -> Reach:
    """Give whom a change of a view reaches; `owners` are those of views by name."""
    known = tuple(readers)
    reached, grown = {name}, True
    while grown:
        more = {one.name for one in known if not one.is_service and one.reads & reached} - reached
        reached |= more
        grown = bool(more)
    services = [one for one in known if one.is_service and one.reads & reached]
    return _reach(services, {owner for view in reached for owner in owners.get(view, ())})


def reach_of_service(name: str, readers: Iterable[Reader]) -> Reach:
    """Give whom a change of a feature service reaches: its models, and its owner."""
    return _reach([one for one in readers if one.is_service and one.name == name], set())


def _reach(services: list[Reader], owners: set[str]) -> Reach:
    found = owners | {one.owner for one in services}
    return Reach(
        tuple(sorted({one.name for one in services})),
        tuple(sorted({model for one in services for model in one.models})),
        tuple(sorted(found - {""})),
    )
