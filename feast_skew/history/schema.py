"""The tables of the history; `migrations/versions` holds how they came to be, step by step."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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
    UniqueConstraint,
)

HEAD = "0003"
"""The newest version of the tables, the one that this feast-skew reads and writes."""

PREFIX = "feast_skew_"
"""Of every table, as the database may hold others; the registry of Feast, for one."""

metadata = MetaData()

versions = Table(f"{PREFIX}version", metadata, Column("version_num", String(32), primary_key=True))

# Moments are microseconds since 1970 in UTC: whole, sortable, and the same in every database.
runs = Table(
    f"{PREFIX}runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(64), nullable=False, unique=True),
    Column("project", String(255), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("as_of", String(40), nullable=False),
    Column("engine", String(20), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("verdict", String(20), nullable=False),
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
    Column("project", String(255), nullable=False),
    Column("view", String(255), nullable=False),
    Column("feature", String(255), nullable=False),
    UniqueConstraint("project", "view", "feature"),
)

results = Table(
    f"{PREFIX}results",
    metadata,
    Column("series", ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("run", ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verdict", String(20), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("entities", BigInteger, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("psi", Float),
    Column("cause", String(40), nullable=False),
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
    Column("project", String(255), primary_key=True),
    Column("view", String(255), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("version", Text, nullable=False),
    Column("last_seen", String(40), nullable=False),
    Column("place", BigInteger, nullable=False, server_default="0"),
)

applied = Table(
    f"{PREFIX}applied",
    metadata,
    Column("project", String(255), primary_key=True),
    Column("view", String(255), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("parts", Text, nullable=False),
)

taken_over = Table(
    f"{PREFIX}taken_over",
    metadata,
    Column("file", Text, primary_key=True),
)

# What the owner of a feature was told last; no row while there is nothing to tell.
told = Table(
    f"{PREFIX}told",
    metadata,
    Column("series", ForeignKey(series.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("verdict", String(20), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("value", Float),
    Column("high", Float),
    Column("cause", String(40), nullable=False),
)

# Written in the transaction of the run, and sent afterwards: what a channel does not take is sent later, and by one process only.
messages = Table(
    f"{PREFIX}messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String(255), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("owner", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("claimed", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Index(f"{PREFIX}messages_by_state", "project", "state"),
)

responses = Table(
    f"{PREFIX}responses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String(255), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("begun", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("outcome", Text, nullable=False),
    UniqueConstraint("project", "run_id", "name"),
)
