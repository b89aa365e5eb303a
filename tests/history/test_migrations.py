"""The tables of every version before are brought to the present one, with what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from days_kept import OLDEST, at, feature, run
from sqlalchemy import create_engine, inspect, text

from feast_skew.core.model import SourceVersion
from feast_skew.history import migrations
from feast_skew.history.memory import History
from feast_skew.history.schema import HEAD, PREFIX, metadata
from feast_skew.report import Verdict

SCRIPTS = ScriptDirectory(str(Path(str(migrations.__file__)).parent))
EARLIER = [script.revision for script in SCRIPTS.walk_revisions() if script.revision != HEAD]

RESULTS = "results (series, run, verdict, since, owner, entities, cause) VALUES"


def make(url: str, revision: str) -> None:
    """Make the tables of a version, with a run and a definition in them."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", SCRIPTS.dir)
        command.upgrade(config, revision)
        connection.execute(
            text(
                f"INSERT INTO {PREFIX}definitions (project, view, fingerprint, version, last_seen) "
                "VALUES ('shop', 'v', 'f', '{\"fingerprint\": \"f\", \"source_name\": \"l\", \"source\": {}}', '2026-01-01T00:00:00Z')"
            )
        )
        connection.execute(
            text(
                f"INSERT INTO {PREFIX}runs (run_id, project, created, as_of, engine, seed, verdict, entities, features, "
                "failing, body) VALUES ('old', 'shop', 1, 'x', 'local', 0, 'pass', 10, 0, 0, :body)"
            ).bindparams(body=b"")
        )
    engine.dispose()


def insert(url: str, *statements: str) -> None:
    """Put rows into tables of any version."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(f"INSERT INTO {PREFIX}{statement}"))
    engine.dispose()


@pytest.mark.parametrize("revision", EARLIER)
def test_an_earlier_version_is_brought_to_the_present_one(url: str, revision: str) -> None:
    make(url, revision)
    history = History(url)
    assert [one.fingerprint for one in history.definitions.versions("shop", "v")] == ["f"]
    assert [one.run_id for one in history.runs("shop").latest(5)] == ["old"]
    history.record(run(1, [feature()]), [("v", SourceVersion("g", "l", {}))], "1970-01-01T00:00:00Z")
    assert [one.fingerprint for one in history.definitions.versions("shop", "v")] == ["f", "g"]
    assert history.runs("shop").latest(1)[0].created_at == at(1)


def test_who_was_told_is_known_of_incidents_from_before(url: str) -> None:
    """It is whoever owned the feature in the newest run."""
    make(url, "0003")
    insert(
        url,
        "runs SELECT 2, 'new', project, 2, as_of, engine, seed, verdict, entities, features, failing, body FROM feast_skew_runs",
        "series (id, project, view, feature) VALUES (7, 'shop', 'v', 'x')",
        "results (series, run, verdict, since, owner, entities, cause) VALUES (7, 1, 'fail', 1, 'ann', 9, '')",
        "results (series, run, verdict, since, owner, entities, cause) VALUES (7, 2, 'fail', 1, 'bob', 9, '')",
        "told (series, verdict, since, cause) VALUES (7, 'fail', 1, '')",
    )
    history = History(url)
    with history.database.reading() as connection:
        assert connection is not None
        told = history.incidents("shop").told(connection)["v", "x"]
    assert (told.owner, told.channel, told.unread) == ("bob", "", False)


def test_incidents_from_before_have_begun(url: str) -> None:
    """Those that the newest run that could tell had: they are not answered again."""
    make(url, "0004")
    insert(
        url,
        "runs SELECT 2, 'new', project, 2, as_of, engine, seed, verdict, entities, features, failing, body FROM feast_skew_runs",
        "series (id, project, view, feature) VALUES (7, 'shop', 'v', 'x'), (8, 'shop', 'v', 'y'), (9, 'shop', 'v', 'z')",
        f"{RESULTS} (7, 1, 'fail', 1, '', 9, ''), (7, 2, 'error', 1, '', 9, '')",
        f"{RESULTS} (8, 1, 'fail', 1, '', 9, ''), (8, 2, 'pass', 1, '', 9, ''), (9, 2, 'warn', 1, '', 9, '')",
    )
    history = History(url)
    verdicts = {("v", name): Verdict.FAIL for name in "xyz"}
    with history.database.writing() as connection:
        begun = history.responses("shop").begin(connection, at(1), verdicts)
    assert begun == {(("v", name), Verdict.FAIL) for name in "yz"}


def test_the_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    History(url).record(run(0, [feature()]), (), OLDEST)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": f"{PREFIX}version"})
        assert compare_metadata(context, metadata) == []
        assert all(name.startswith(PREFIX) for name in inspect(connection).get_table_names())
    engine.dispose()


def test_the_present_version_is_the_last_migration() -> None:
    assert SCRIPTS.get_current_head() == HEAD
