"""Lints a repository: reads its definitions, its settings and what is registered, and no feature data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from feast_skew.assembly import layered
from feast_skew.config import suggestion
from feast_skew.errors import UnknownName
from feast_skew.lint.base import HAZARDS, Linted, lint, load_hazards
from feast_skew.report import iso


def lint_repository(
    repo: Path, *, config: str | Path | None = None, disabled: Sequence[str] = (), now: datetime | None = None
) -> Linted:
    """Find the hazards of skew in a repository; one that was never applied is fine.

    Parameters
    ----------
    repo : path
        Directory with feature_store.yaml.
    config : path, optional
        File of settings; `feast_skew.yaml` in the repository by default, if there is one.
    disabled : sequence of str
        Codes that are not looked for, beside those that the settings name.
    now : datetime, optional
        The moment of the run.

    Raises
    ------
    ConfigError
        When there is no repository, or its definitions or settings cannot be read.
    UnknownName
        For a code that no hazard has.
    """
    from feast_skew.stores.feast_candidate import (
        check_definitions,
        defined_views,
        registered_views,
    )
    from feast_skew.stores.feast_definitions import parse_definitions
    from feast_skew.stores.feast_facts import repository_facts
    from feast_skew.stores.feast_repository import open_private

    moment = now or datetime.now(timezone.utc)
    load_hazards()
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        store = open_private(repo, Path(folder) / "registered.db")
        off = (*disabled, *layered(store, repo, config, {}).run.lint_disable)
        for code in off:
            if code not in HAZARDS:
                raise UnknownName(f"there is no hazard {code!r}", hint=suggestion(code, HAZARDS))
        contents = parse_definitions(store, repo).contents
        check_definitions(store, contents, sources=False, views=True)
        views, known = defined_views(contents).values(), registered_views(store).values()
        facts = repository_facts(store, views, contents.feature_services, known, moment)
    findings = tuple(finding for finding in lint(facts) if finding.code not in off)
    return Linted(facts.project, iso(moment), len(facts.views), findings)
