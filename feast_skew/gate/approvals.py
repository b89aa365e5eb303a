"""Changes that somebody let through on purpose: who, why and what, in a file beside the state of the repository."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from feast_skew.errors import ConfigError
from feast_skew.files import write_whole

DEFAULT_NAME = Path(".feast_skew") / "approvals.json"
VERSION = 1


@dataclass(frozen=True)
class Approval:
    """One change of one view that was let through: it holds for the change from `before` to `after`, until that is applied.

    `before` and `after` are fingerprints, `before` empty for a new view; `changes` and `verdict` say what was known of it then. `applied` is
    when the change was applied, empty while it was not.
    """

    project: str
    view: str
    before: str
    after: str
    reason: str
    by: str
    at: str
    verdict: str
    changes: tuple[str, ...] = ()
    applied: str = ""


def approver() -> str:
    """Name who runs this, as `user@host`, or as FEAST_SKEW_USER says, which pipelines set to the person behind them."""
    named = os.environ.get("FEAST_SKEW_USER", "").strip()
    if named:
        return named
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class Approvals:
    """Reads and extends one file of approvals; never half-written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Approval, ...]:
        """Give all approvals, oldest first; none for a missing file.

        Raises
        ------
        ConfigError
            When the file is damaged or of a newer version.
        """
        try:
            content = json.loads(self.path.read_text())
            if content["version"] != VERSION:
                raise ConfigError(f"approvals {self.path} are of another version", hint="update feast-skew")
            return tuple(Approval(**{**entry, "changes": tuple(entry["changes"])}) for entry in content["approvals"])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"approvals {self.path} cannot be read", hint="correct the file, or move it away to start a new one"
            ) from error

    def of(self, project: str, view: str, before: str, after: str) -> Approval | None:
        """Give the latest approval of this change of a view that was not applied yet; None where there is none."""
        asked = (project, view, before, after)
        found = [one for one in self.read() if (one.project, one.view, one.before, one.after) == asked]
        return next((one for one in reversed(found) if not one.applied), None)

    def spend(self, project: str, applied: Iterable[tuple[str, str, str]], at: str) -> None:
        """Note that these changes, by view, before and after, were applied: the same change later is another one to approve.

        Raises
        ------
        ConfigError
            When the file cannot be read or written.
        """
        gone = {(project, *change) for change in applied}
        entries = self.read()
        spent = tuple(
            replace(one, applied=at)
            if not one.applied and (one.project, one.view, one.before, one.after) in gone
            else one
            for one in entries
        )
        if spent != entries:
            self._write(spent)

    def add(self, new: Sequence[Approval]) -> None:
        """Note further approvals; none is no write.

        Raises
        ------
        ConfigError
            When the file cannot be read or written.
        """
        if not new:
            return
        self._write((*self.read(), *new))

    def _write(self, entries: Iterable[Approval]) -> None:
        # What was not applied is written without a word of it, as before there was one.
        listed = [{name: part for name, part in asdict(one).items() if name != "applied" or part} for one in entries]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"version": VERSION, "approvals": listed}, indent=1)
            write_whole(self.path, text + "\n")
        except OSError as error:
            raise ConfigError(f"approvals {self.path} cannot be written", hint=f"{error.strerror or error}") from error
