"""Entities given by the user: from a file or a table to keys of the declared types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask
from feast_skew.core.columns import bare_rows
from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.core.types import Kind
from feast_skew.errors import InputError

Columns = tuple[str, ...]
"""The columns that hold the join keys of a key set, in its order."""


def origin_of(given: Any) -> str:
    """Name given entities for messages."""
    return f"entity file {given}" if isinstance(given, (str, Path)) else "the table of entities"


def read_entities(given: Any, wanted: Mapping[KeySet, Sequence[Columns]]) -> pa.Table:
    """Read a table of entities from a Parquet or CSV file, an Arrow table, a pandas frame or a mapping of lists.

    In a CSV file, join keys that any of the wanted key sets declares as String are read as text: `007` stays what it is.

    Raises
    ------
    InputError
        When the file is missing, damaged, of another kind, or holds no row.
    """
    if isinstance(given, (str, Path)):
        texts = {
            column
            for keys, uses in wanted.items()
            for columns in (keys.names, *uses)
            for key, column in zip(keys.keys, columns, strict=True)
            if key.declared.kind is Kind.STRING
        }
        table = _read_file(Path(given), texts)
    else:
        table = _to_table(given)
    if not table.num_rows:
        raise InputError(f"{origin_of(given)} holds no row", hint="give at least one entity")
    return table


def _to_table(given: Any) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, Mapping):
        return pa.table(dict(given))
    if hasattr(given, "to_arrow") and not hasattr(given, "iloc"):
        return given.to_arrow()
    try:
        return pa.Table.from_pandas(given, preserve_index=False)
    except (TypeError, AttributeError) as error:
        raise InputError(
            f"entities of type {type(given).__name__} cannot be read",
            hint="give an Arrow table, a pandas frame or a mapping of lists",
        ) from error


def _read_file(path: Path, texts: Collection[str]) -> pa.Table:
    import pyarrow.parquet

    kind = path.suffix.lower()
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise InputError(f"entity file {path} {what}", hint="give a .parquet or .csv file with the join keys")
    try:
        if kind == ".parquet":
            return pyarrow.parquet.ParquetFile(path).read()
        if kind == ".csv":
            return _read_csv(path, texts)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"entity file {path} cannot be read", hint=" ".join(str(error).split())[:200]) from error
    raise InputError(f"entity file {path} is neither .parquet nor .csv", hint="convert it, or rename it")


def _read_csv(path: Path, texts: Collection[str]) -> pa.Table:
    import pyarrow.csv

    table = pyarrow.csv.read_csv(
        path, convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    )
    for name in texts:
        if name in table.column_names:
            # `NA` may be somebody's id; only an empty field is none.
            column = table.column(name)
            held = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(table.column_names.index(name), name, held)
    return table


def match_key_sets(
    table: pa.Table, wanted: Mapping[KeySet, Sequence[Columns]], origin: str = "the table of entities"
) -> dict[KeySet, pa.Table]:
    """Pick and cast the distinct entities of each key set out of all the columns that hold some; null keys are left out.

    Raises
    ------
    InputError
        When a join key is missing, ids do not fit the declared type, or no row has all keys.
    """
    found = {}
    for keys, uses in wanted.items():
        parts = []
        for columns in _held_columns(table, keys, uses, origin):
            cast, complete = _cast(table, keys, columns, origin)
            parts.append(cast.filter(pa.array(complete)) if keys.keys else bare_rows(1))
        if not keys.keys:
            found[keys] = parts[0]
            continue
        entities = pa.concat_tables(parts)
        entities = entities.group_by(entities.column_names).aggregate([])
        if not entities.num_rows:
            raise InputError(f"{origin}: no row has all of {keys}", hint="fill the join keys")
        found[keys] = entities.combine_chunks()
    return found


def match_rows(table: pa.Table, keys: KeySet, columns: Columns) -> tuple[Columns, pa.Table]:
    """Pick and cast the join keys row by row; give the columns that held them too.

    Raises
    ------
    InputError
        When a join key is missing or null, or ids do not fit the declared type.
    """
    origin = origin_of(table)
    (held,) = _held_columns(table, keys, [columns], origin)
    cast, complete = _cast(table, keys, held, origin)
    if not complete.all():
        raise InputError(f"{origin} holds null join keys", hint="leave such rows out")
    return held, cast


def _held_columns(table: pa.Table, keys: KeySet, uses: Sequence[Columns], origin: str) -> list[Columns]:
    """Give the uses of which the table has all columns; without any, the view's own join keys will do."""
    there = set(table.column_names)
    found = [columns for columns in uses if there.issuperset(columns)]
    if found or there.issuperset(keys.names):
        return found or [keys.names]
    missing = [next(name for name in columns if name not in there) for columns in (*uses, keys.names)]
    raise InputError(
        f"{origin} lacks join key {' or '.join(repr(name) for name in dict.fromkeys(missing))}",
        hint=f"it has {', '.join(table.column_names)}; add the column, or name only views with these keys by --view",
    )


def _cast(table: pa.Table, keys: KeySet, columns: Columns, origin: str) -> tuple[pa.Table, Mask]:
    for key, column in zip(keys.keys, columns, strict=True):
        if pa.types.is_boolean(table.column(column).type):
            raise InputError(
                f"{origin}: {column} holds true and false, declared {key.declared.name}", hint="give the ids"
            )
    named = pa.table([table.column(column) for column in columns], names=list(keys.names)) if columns else table
    try:
        return cast_keys(named, keys)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        declared = ", ".join(f"{column} {key.declared.name}" for key, column in zip(keys.keys, columns, strict=True))
        raise InputError(
            f"{origin}: ids do not fit the registry's {declared}", hint=" ".join(str(error).split())[:200]
        ) from error
