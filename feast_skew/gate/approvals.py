"""Changes that somebody let through on purpose: who, why and what, in a file beside the state of the repository."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from feast_skew.errors import ConfigError
from feast_skew.files import write_whole

DEFAULT_NAME = Path(".feast_skew") / "approvals.json"
VERSION = 1


@dataclass(frozen=True)
class Approval:
    """One change of one view that was let through: it holds for that meaning of the view and for no other.

    `before` and `after` are fingerprints, `before` empty for a new view; `changes` and `verdict` say what was known of it then.
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

    def of(self, project: str, view: str, after: str) -> Approval | None:
        """Give the latest approval of a view with this meaning; None where there is none."""
        found = [one for one in self.read() if (one.project, one.view, one.after) == (project, view, after)]
        return found[-1] if found else None

    def add(self, new: Sequence[Approval]) -> None:
        """Note further approvals; none is no write.

        Raises
        ------
        ConfigError
            When the file cannot be read or written.
        """
        if not new:
            return
        entries: Iterable[Approval] = (*self.read(), *new)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"version": VERSION, "approvals": [asdict(one) for one in entries]}, indent=1)
            write_whole(self.path, text + "\n")
        except OSError as error:
            raise ConfigError(f"approvals {self.path} cannot be written", hint=f"{error.strerror or error}") from error
