"""Runs Feast's apply after the gate, and remembers what the views meant before and mean now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from feast_skew.errors import ConfigError
from feast_skew.gate.approvals import DEFAULT_NAME, Approvals
from feast_skew.gate.passing import inside
from feast_skew.gate.proposal import Proposal


def check_apply(flags: Sequence[str]) -> None:
    """Make sure that Feast's apply knows the flags that are for it.

    Raises
    ------
    ConfigError
        When it does not.
    """
    from feast_skew.stores.feast_apply import check_flags

    check_flags(flags)


def apply_definitions(repo: Path, proposal: Proposal, flags: Sequence[str]) -> None:
    """Have Feast apply the definitions that a plan judged; it must refuse none of them.

    Raises
    ------
    ConfigError, StoreUnavailable
        When Feast does not take them, or fails.
    """
    from feast_skew.stores.feast_apply import feast_apply

    with inside():
        feast_apply(repo.resolve(), flags)
    remember(proposal, repo)


def remember(proposal: Proposal, repo: Path | None = None) -> None:
    """Note what the views meant before and mean now, so that later runs can prove that a definition did not land.

    A history that cannot be written costs that proof, and not the apply. Approvals in the repository have had their effect.
    """
    if repo is not None:
        with contextlib.suppress(ConfigError):
            Approvals(repo / DEFAULT_NAME).spend(proposal.project, _applied(proposal), proposal.created_at)
    applied = proposal.applied
    if applied is not None and applied.history is not None:
        with contextlib.suppress(ConfigError):
            applied.history.definitions.record(proposal.project, applied.seen, proposal.created_at, applied.meanings)


def _applied(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    for change in (judged.change for judged in proposal.changes):
        if change.after is not None:
            yield change.name, change.before.fingerprint if change.before else "", change.after.fingerprint
