"""What a hazard is, and the registry that finds hazards by the files of the folder `hazards`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from feast_skew.core.facts import RepositoryFacts
from feast_skew.report import Finding


@dataclass(frozen=True)
class Hit:
    """One place where a hazard is: the view, empty for the whole repository, and what is found there."""

    view: str
    detail: str


Check = Callable[[RepositoryFacts], Iterable[Hit]]


@dataclass(frozen=True)
class Hazard:
    """A hazard: `why` says how it makes the online value another than the offline one, `remedy` what to do.

    `severity` is `fail` for what makes skew for sure, `warn` for what does under conditions that cannot be told here, `info` for what
    one has to know.
    """

    code: str
    severity: str
    title: str
    why: str
    remedy: str
    check: Check


HAZARDS: dict[str, Hazard] = {}


def hazard(code: str, severity: str, title: str, *, why: str, remedy: str) -> Callable[[Check], Check]:
    """Register a function as the check for a hazard; it is given what a repository says."""

    def register(check: Check) -> Check:
        if code in HAZARDS:
            raise ValueError(f"two hazards with code {code}")
        HAZARDS[code] = Hazard(code, severity, title, why, remedy, check)
        return check

    return register


@cache
def _import_hazards() -> None:
    package = importlib.import_module("feast_skew.lint.hazards")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"feast_skew.lint.hazards.{module.name}")


def load_hazards() -> list[Hazard]:
    """Import every hazard file and give the hazards, by code."""
    _import_hazards()
    return [HAZARDS[code] for code in sorted(HAZARDS)]


def lint(repository: RepositoryFacts) -> Iterator[Finding]:
    """Yield a finding for each place where a hazard is, by code and then as the views come."""
    for one in load_hazards():
        for hit in one.check(repository):
            yield Finding(one.code, one.severity, hit.view, hit.detail, one.remedy)


@dataclass(frozen=True)
class Linted:
    """What was found in a repository of so many views."""

    project: str
    created_at: str
    views: int
    findings: tuple[Finding, ...]
