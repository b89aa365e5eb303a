"""Lets changes of a plan through on purpose, and notes who did it, why, and what the change was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from feast_skew.config import suggestion
from feast_skew.errors import ConfigError, UnknownName
from feast_skew.gate.approvals import DEFAULT_NAME, Approval, Approvals, approver
from feast_skew.gate.proposal import Judged, Proposal


def check_approval(views: Sequence[str], reason: str | None) -> None:
    """Make sure that an approval comes with a reason, and a reason with an approval.

    Raises
    ------
    ConfigError
        When one of them is missing.
    """
    if views and not (reason and reason.strip()):
        raise ConfigError("--approve needs a reason", hint='add --reason "why the change is meant"')
    if reason is not None and not views:
        raise ConfigError(
            "--reason goes with --approve", hint="name the view that is let through, as in --approve my_view"
        )


def approve(proposal: Proposal, repo: Path, views: Sequence[str], reason: str | None) -> Proposal:
    """Approve the named changes of a plan, and note it in the repository; the plan with them is given back.

    A view that would pass anyway is noted as well: somebody stood by it.

    Raises
    ------
    UnknownName
        For a view that the plan does not change.
    ConfigError
        When the approvals cannot be written.
    """
    if not views:
        return proposal
    changes = {judged.change.name: judged for judged in proposal.changes if judged.change.after is not None}
    for name in views:
        if name not in changes:
            known = suggestion(name, changes) if changes else "nothing changes meaning, so leave --approve out"
            raise UnknownName(f"--approve {name!r}: this plan does not change it", hint=known)
    given = {name: _approval(proposal, changes[name], reason or "") for name in dict.fromkeys(views)}
    Approvals(repo / DEFAULT_NAME).add(list(given.values()))
    return replace(
        proposal,
        changes=tuple(
            replace(judged, approval=given[judged.change.name]) if judged.change.name in given else judged
            for judged in proposal.changes
        ),
    )


def _approval(proposal: Proposal, judged: Judged, reason: str) -> Approval:
    before, after = judged.change.before, judged.change.after
    return Approval(
        project=proposal.project,
        view=judged.change.name,
        before=before.fingerprint if before else "",
        after=after.fingerprint if after else "",
        reason=" ".join(reason.split()),
        by=approver(),
        at=proposal.created_at,
        verdict=judged.verdict.value,
        changes=(*map(str, judged.change.parts), *judged.moves),
    )
