"""The result of a repair as frozen facts: what was found, what was written, and what is still wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, EXIT_SKEW

SCHEMA_VERSION = "1"
PAST_TTL, NO_ROW, CONTRADICTING, UNWRITABLE, NOT_TRAINED, NO_HASH, CHANGED = (
    "past_ttl",
    "no_offline_row",
    "contradicting_rows",
    "unwritable",
    "not_what_training_gets",
    "no_hash",
    "changed_meanwhile",
)
REASONS: Mapping[str, str] = {
    PAST_TTL: "not online, and past the view's ttl offline: training gets null there as well",
    NO_ROW: "offline has no row of them up to that moment",
    CONTRADICTING: "offline has several rows at that instant which differ, and none is the newest: add a created timestamp",
    UNWRITABLE: "Feast cannot write their offline values as the declared types",
    NOT_TRAINED: "training gets another value than the row of the source",
    NO_HASH: "their key holds something else than a hash of Feast's: delete the key, then repair",
    CHANGED: "changed online since they were looked at",
}
"""Why rows are left alone, in words."""


@dataclass(frozen=True)
class ViewRepair:
    """What became of the wrong rows of one view.

    `wrong` rows were found among `compared` entities; `rows` of them are written, or would be: `kept` under the event timestamp that
    they have, `moved` on to a later one, and `new` where there was none. `left` counts those that are left alone by why; `written` and
    `still_wrong` are None as long as nothing was to be written. `entities` are there only where keys are to be shown.
    """

    view: str
    features: int
    compared: int
    population: int
    wrong: int
    classes: Mapping[str, int]
    cause: str = ""
    rows: int = 0
    kept: int = 0
    moved: int = 0
    new: int = 0
    left: Mapping[str, int] = field(default_factory=dict)
    online_only: int = 0
    written: int | None = None
    still_wrong: int | None = None
    entities: tuple[Mapping[str, Any], ...] = ()

    @property
    def open(self) -> int:
        """The number of rows that are to be repaired; those past the ttl are right to be absent."""
        return self.wrong - self.left.get(PAST_TTL, 0)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {
            "view": self.view,
            "features": self.features,
            "compared": self.compared,
            "population": self.population,
            "wrong": self.wrong,
            "classes": dict(self.classes),
            "cause": self.cause,
            "rows": self.rows,
            "kept": self.kept,
            "moved": self.moved,
            "new": self.new,
            "left": dict(self.left),
            "online_only": self.online_only,
            "written": self.written,
            "still_wrong": self.still_wrong,
            **({"entities": [dict(one) for one in self.entities]} if self.entities else {}),
        }


@dataclass(frozen=True)
class Repair:
    """What a repair found and did; `to_dict()` is the public JSON.

    `run_id` is that of the measurement by which it chose rows, `of_run` that of the report which it was given. `yes` tells that it was
    allowed to write, `interrupted` that it was ended in the middle. `unread` are views that could not be measured.
    """

    project: str
    run_id: str
    created_at: str
    as_of: str
    seed: int
    versions: Mapping[str, str]
    yes: bool
    views: tuple[ViewRepair, ...] = ()
    skipped: tuple[Mapping[str, str], ...] = ()
    unread: tuple[Mapping[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    of_run: str = ""
    interrupted: bool = False

    @property
    def rows(self) -> int:
        """The number of rows that are written, or would be."""
        return sum(view.rows for view in self.views)

    @property
    def open(self) -> int:
        """The number of rows that are to be repaired, those among them that cannot be."""
        return sum(view.open for view in self.views)

    @property
    def written(self) -> int:
        """The number of rows that were written."""
        return sum(view.written or 0 for view in self.views)

    @property
    def still_wrong(self) -> int:
        """The number of rows that are wrong when all is done."""
        return sum(view.still_wrong or 0 for view in self.views)

    @property
    def exit_code(self) -> int:
        """The exit code by the contract: 1 where rows are to be repaired, or still are; 3 where a view could not be measured; else 0."""
        if self.still_wrong if self.yes else self.open:
            return EXIT_SKEW
        return EXIT_NOT_MEASURED if self.unread else EXIT_PASS

    def to_dict(self) -> dict[str, Any]:
        """Give the repair as plain JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "project": self.project,
            "run_id": self.run_id,
            "of_run": self.of_run or None,
            "created_at": self.created_at,
            "as_of": self.as_of,
            "seed": self.seed,
            "versions": dict(self.versions),
            "yes": self.yes,
            "interrupted": self.interrupted,
            "to_repair": self.open,
            "rows": self.rows,
            "written": self.written if self.yes else None,
            "still_wrong": self.still_wrong if self.yes and not self.interrupted else None,
            "views": [view.to_dict() for view in self.views],
            "skipped": [dict(one) for one in self.skipped],
            "unread": [dict(one) for one in self.unread],
            "notes": list(self.notes),
        }


class RepairInterrupted(KeyboardInterrupt):
    """A repair was ended in the middle; `repair` tells what was written by then, each row as a whole."""

    def __init__(self, repair: Repair) -> None:
        super().__init__("interrupted")
        self.repair = repair
