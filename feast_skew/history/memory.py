"""The history of a repository: what was defined and what runs found, in one database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from feast_skew.config import RunSettings
from feast_skew.core.model import SourceVersion
from feast_skew.history.database import Database
from feast_skew.history.definitions import Definitions
from feast_skew.history.incidents import Incidents
from feast_skew.history.responses import Responses
from feast_skew.history.runs import Runs
from feast_skew.history.state_file import DEFAULT_NAME as STATE_NAME
from feast_skew.report import SkewReport

VARIABLE = "FEAST_SKEW_HISTORY"
"""Names the database before any setting: an address may hold a password."""

DEFAULT_NAME = Path(".feast_skew") / "history.db"


def address(asked: str | None, folder: Path) -> str | URL:
    """Give the URL of a history: that of a file, by default `.feast_skew/history.db` of the folder, or the one that was asked for.

    Relative files, also those in a URL of SQLite, are meant from the folder.
    """
    text = asked or str(DEFAULT_NAME)
    if text.startswith("sqlite:///") and text != "sqlite:///:memory:":
        text = text.removeprefix("sqlite:///")
    elif "://" in text:
        return text
    return URL.create("sqlite", database=str((folder / Path(text).expanduser()).resolve()))


def history_of(settings: RunSettings, folder: Path) -> History | None:
    """Give the history of a repository in that folder: by the environment, by the settings, or in a file of the folder.

    Raises
    ------
    ConfigError
        When its address is none of a database.
    """
    if settings.history is False:
        return None
    before = folder / Path(settings.state).expanduser() if settings.state else folder / STATE_NAME
    return History(address(os.environ.get(VARIABLE) or settings.history, folder), before)


class History:
    """Definitions and runs; a run and the definitions that it saw are written together, or neither."""

    def __init__(self, url: str | URL, before: Path | None = None) -> None:
        """Take the URL of a database, and the state file from before there was one; nothing is opened yet.

        Raises
        ------
        ConfigError
            When it is no URL of a database.
        """
        self.database = Database(url)
        self.definitions = Definitions(self.database, before)

    def runs(self, project: str) -> Runs:
        """Give the runs of a project."""
        return Runs(self.database, project)

    def incidents(self, project: str) -> Incidents:
        """Give what the owners of a project were told."""
        return Incidents(self.database, project)

    def responses(self, project: str) -> Responses:
        """Give the incidents of a project's features, and the responses to them."""
        return Responses(self.database, project)

    def record(
        self,
        report: SkewReport,
        seen: Iterable[tuple[str, SourceVersion]],
        oldest: str,
        beside: Callable[[Connection], None] | None = None,
    ) -> None:
        """Keep a run and the versions of its views, and forget the project's runs before `oldest`; `beside` writes what belongs to it.

        Raises
        ------
        ConfigError
            When the history cannot be written; then nothing of it is.
        """
        runs = self.runs(report.project)
        with self.database.writing() as connection:
            self.definitions.record_with(connection, report.project, seen, report.created_at)
            runs.record_with(connection, report)
            if beside is not None:
                beside(connection)
            runs.prune_with(connection, oldest)
