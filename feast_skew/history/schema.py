"""The tables of the history; `migrations/versions` holds how they came to be, step by step."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.engine import Dialect

HEAD = "0005"
"""The newest version of the tables, the one that this feast-skew reads and writes."""

PREFIX = "feast_skew_"
"""Of every table, as the database may hold others; the registry of Feast, for one."""

PENDING, SENDING, SENT = "pending", "sending", "sent"
"""The states of a message."""

metadata = MetaData()


class Storable(TypeDecorator[str]):
    """Text of so many characters in which what a database cannot hold is spelled out."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Spell out on the way into the database."""
        return None if value is None else storable(value)


class LongStorable(Storable):
    """The same, of any length."""

    impl = Text
    cache_ok = True


def storable(text: str) -> str:
    """Spell out zero characters, which PostgreSQL refuses, and halves of a pair of surrogates, which are no UTF-8."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


versions = Table(f"{PREFIX}version", metadata, Column("version_num", Storable(32), primary_key=True))

# Moments are microseconds since 1970 in UTC: whole, sortable, and the same in every database.
runs = Table(
    f"{PREFIX}runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Storable(64), nullable=False, unique=True),
    Column("project", Storable(255), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("as_of", Storable(40), nullable=False),
    Column("engine", Storable(20), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("verdict", Storable(20), nullable=False),
    Column("entities", BigInteger, nullable=False),
    Column("features", Integer, nullable=False),
    Column("failing", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(f"{PREFIX}runs_by_time", "project", "created"),
)

series = Table(
    f"{PREFIX}series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", Storable(255), nullable=False),
    Column("view", Storable(255), nullable=False),
    Column("feature", Storable(255), nullable=False),
    UniqueConstraint("project", "view", "feature"),
)

results = Table(
    f"{PREFIX}results",
    metadata,
    Column("series", ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("run", ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verdict", Storable(20), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("owner", LongStorable, nullable=False),
    Column("entities", BigInteger, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("psi", Float),
    Column("cause", Storable(40), nullable=False),
    # Of a result that could not be decided: the verdict that was decided last, and since when it was so.
    Column("held", Storable(20)),
    Column("held_since", BigInteger),
    Index(f"{PREFIX}results_by_run", "run"),
)

# What is large lies beside, so that a page of results is read from few blocks of the disk.
details = Table(
    f"{PREFIX}details",
    metadata,
    Column("series", ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("run", ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("profile", LargeBinary),
    Index(f"{PREFIX}details_by_run", "run"),
)

definitions = Table(
    f"{PREFIX}definitions",
    metadata,
    Column("project", Storable(255), primary_key=True),
    Column("view", Storable(255), primary_key=True),
    Column("fingerprint", Storable(64), primary_key=True),
    Column("version", LongStorable, nullable=False),
    Column("last_seen", Storable(40), nullable=False),
    Column("place", BigInteger, nullable=False, server_default="0"),
)

applied = Table(
    f"{PREFIX}applied",
    metadata,
    Column("project", Storable(255), primary_key=True),
    Column("view", Storable(255), primary_key=True),
    Column("kind", Storable(64), nullable=False),
    Column("parts", LongStorable, nullable=False),
)

taken_over = Table(
    f"{PREFIX}taken_over",
    metadata,
    Column("file", LongStorable, primary_key=True),
)

# What the owner of a feature was told last; no row while there is nothing to tell.
told = Table(
    f"{PREFIX}told",
    metadata,
    Column("series", ForeignKey(series.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verdict", Storable(20), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("value", Float),
    Column("high", Float),
    Column("cause", Storable(40), nullable=False),
    Column("owner", LongStorable, nullable=False, server_default=""),
    Column("channel", LongStorable, nullable=False, server_default=""),
    Column("unread", Boolean, nullable=False, server_default=false()),
)

# Written in the transaction of the run, and sent afterwards: what a channel does not take is sent later, and by one process only.
messages = Table(
    f"{PREFIX}messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", Storable(255), nullable=False),
    Column("run_id", Storable(64), nullable=False),
    Column("owner", LongStorable, nullable=False),
    Column("channel", LongStorable, nullable=False),
    Column("title", LongStorable, nullable=False),
    Column("body", LongStorable, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("state", Storable(20), nullable=False),
    Column("claimed", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("error", LongStorable, nullable=False),
    Index(f"{PREFIX}messages_by_state", "project", "state"),
)

# The incidents of features by the verdict of their beginning: `seen` is the latest moment of a run that had it, `ended` of one that had another.
incidents = Table(
    f"{PREFIX}incidents",
    metadata,
    Column("series", ForeignKey(series.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verdict", Storable(20), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("ended", BigInteger),
)

# Wanted in the transaction of the run, and begun afterwards, by one process only; until then `begun` is when it was wanted.
responses = Table(
    f"{PREFIX}responses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", Storable(255), nullable=False),
    Column("run_id", Storable(64), nullable=False),
    Column("name", LongStorable, nullable=False),
    Column("begun", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("outcome", LongStorable, nullable=False),
    Column("state", Storable(20), nullable=False, server_default="done"),
    Column("verdict", Storable(20), nullable=False, server_default=""),
    Column("features", LongStorable, nullable=False, server_default="[]"),
    UniqueConstraint("project", "run_id", "name"),
)
