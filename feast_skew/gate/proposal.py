"""What a repository would change, judged: the result of `plan`, and what `apply` goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feast_skew.core.meaning import Meaning
from feast_skew.core.model import SourceVersion
from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, EXIT_SKEW
from feast_skew.gate.approvals import Approval
from feast_skew.gate.changes import Change
from feast_skew.history.memory import History
from feast_skew.report import FeatureResult, Finding, Verdict, worst

SCHEMA_VERSION = "1"
_REFUSED = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Reach:
    """Whom a change reaches: services that read the view, models behind these, and owners; each sorted by name."""

    services: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A change with its verdict: what it does to what is served, in sentences, and the measured features behind that.

    `features` hold the candidate as `offline`: what the new definition gives, against what is served online now.
    """

    change: Change
    verdict: Verdict
    moves: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reach: Reach = field(default_factory=Reach)
    features: tuple[FeatureResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    approval: Approval | None = None

    @property
    def refused(self) -> bool:
        """Tell whether the change must not go through: skew, or nothing could be measured, and nobody approved it."""
        return self.verdict in _REFUSED and self.approval is None

    def to_dict(self) -> dict[str, Any]:
        """Give the change as plain JSON values."""
        before, after = self.change.before, self.change.after
        return {
            "name": self.change.name,
            "type": self.change.type,
            "change": self.change.kind,
            "verdict": self.verdict.value,
            "refused": self.refused,
            "fingerprint": {
                "before": before.fingerprint if before else None,
                "after": after.fingerprint if after else None,
            },
            "parts": [part.to_dict() for part in self.change.parts],
            "moves": list(self.moves),
            "notes": list(self.notes),
            "services": list(self.reach.services),
            "models": list(self.reach.models),
            "owners": list(self.reach.owners),
            "features": [feature.to_dict() for feature in self.features],
            "findings": [finding.to_dict() for finding in self.findings],
            "approval": None
            if self.approval is None
            else {"by": self.approval.by, "at": self.approval.at, "reason": self.approval.reason},
        }


@dataclass(frozen=True)
class Applied:
    """What is remembered of a plan that was applied: every definition with a source, before and after, and what all views mean."""

    history: History | None
    seen: tuple[tuple[str, SourceVersion], ...]
    meanings: tuple[Meaning, ...]


@dataclass(frozen=True)
class Proposal:
    """All changes of a repository, judged; `to_dict()` is the public JSON of `plan`.

    `views` counts those that are defined; `applied` is what to remember once it was applied.
    """

    project: str
    created_at: str
    versions: Mapping[str, str]
    views: int
    changes: tuple[Judged, ...] = ()
    seed: int = 0
    applied: Applied | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict among the changes that nobody approved; pass when there is none."""
        return worst([judged.verdict for judged in self.changes if judged.approval is None] or [Verdict.PASS])

    @property
    def exit_code(self) -> int:
        """The exit code by the contract: 1 where a change makes skew, 3 where one could not be measured, else 0."""
        refused = [judged.verdict for judged in self.changes if judged.refused]
        if Verdict.FAIL in refused:
            return EXIT_SKEW
        return EXIT_NOT_MEASURED if refused else EXIT_PASS

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "project": self.project,
            "created_at": self.created_at,
            "versions": dict(self.versions),
            "verdict": self.verdict.value,
            "refused": [judged.change.name for judged in self.changes if judged.refused],
            "views": self.views,
            "seed": self.seed,
            "changes": [judged.to_dict() for judged in self.changes],
        }
