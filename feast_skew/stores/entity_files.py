"""Entities given by the user: from a file or a table to keys of the declared types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows
from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.core.types import Kind
from feast_skew.errors import InputError


def origin_of(given: Any) -> str:
    """Name given entities for messages."""
    return f"entity file {given}" if isinstance(given, (str, Path)) else "the table of entities"


def read_entities(given: Any, key_sets: Sequence[KeySet] = ()) -> pa.Table:
    """Read a table of entities from a Parquet or CSV file, an Arrow table, a pandas frame or a mapping of lists.

    In a CSV file, join keys that any of the key sets declares as String are read as text: `007` stays what it is.

    Raises
    ------
    InputError
        When the file is missing, damaged, of another kind, or holds no row.
    """
    if isinstance(given, (str, Path)):
        texts = {key.name for keys in key_sets for key in keys.keys if key.declared.kind is Kind.STRING}
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
    table: pa.Table, key_sets: Sequence[KeySet], *, distinct: bool = True, origin: str = "the table of entities"
) -> dict[KeySet, pa.Table]:
    """Pick and cast the join keys of each key set; rows with a null key are left out, repeated ones kept once.

    Raises
    ------
    InputError
        When a join key is missing, ids do not fit the declared type, or no row has all keys.
    """
    found = {}
    for keys in dict.fromkeys(key_sets):
        missing = [name for name in keys.names if name not in table.column_names]
        if missing:
            raise InputError(
                f"{origin} lacks join key {missing[0]!r}",
                hint=f"it has {', '.join(table.column_names)}; add the column, or name only views with these keys by --view",
            )
        for key in keys.keys:
            if pa.types.is_boolean(table.column(key.name).type):
                raise InputError(
                    f"{origin}: {key.name} holds true and false, declared {key.declared.name}", hint="give the ids"
                )
        try:
            cast, complete = cast_keys(table, keys)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            declared = ", ".join(f"{key.name} {key.declared.name}" for key in keys.keys)
            raise InputError(
                f"{origin}: ids do not fit the registry's {declared}", hint=" ".join(str(error).split())[:200]
            ) from error
        if not distinct:
            if not complete.all():
                raise InputError(f"{origin} holds null join keys", hint="leave such rows out")
            found[keys] = cast
            continue
        if keys.keys:
            cast = cast.filter(pa.array(complete))
            cast = cast.group_by(cast.column_names).aggregate([])
            if not cast.num_rows:
                raise InputError(f"{origin}: no row has all of {keys}", hint="fill the join keys")
        else:
            cast = bare_rows(1)
        found[keys] = cast.combine_chunks() if cast.num_columns else cast
    return found
