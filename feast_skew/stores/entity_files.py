"""Entities given by the user: from a file or a table to keys of the declared types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.errors import InputError


def read_entities(given: Any) -> pa.Table:
    """Read a table of entities from a Parquet or CSV file, an Arrow table, a pandas frame or a mapping of lists.

    Raises
    ------
    InputError
        When the file is missing, damaged, of another kind, or holds no row.
    """
    if isinstance(given, (str, Path)):
        table = _read_file(Path(given))
        origin = f"entity file {given}"
    else:
        table = _to_table(given)
        origin = "the table of entities"
    if not table.num_rows:
        raise InputError(f"{origin} holds no row", hint="give at least one entity")
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


def _read_file(path: Path) -> pa.Table:
    import pyarrow.csv
    import pyarrow.parquet

    if not path.is_file():
        raise InputError(f"entity file {path} does not exist", hint="give a .parquet or .csv file with the join keys")
    try:
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path)
        if path.suffix == ".csv":
            return pyarrow.csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"entity file {path} cannot be read", hint=" ".join(str(error).split())[:200]) from error
    raise InputError(f"entity file {path} is neither .parquet nor .csv", hint="convert it, or rename it")


def match_key_sets(table: pa.Table, key_sets: Sequence[KeySet], *, distinct: bool = True) -> dict[KeySet, pa.Table]:
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
                f"the entities lack join key {missing[0]!r}",
                hint=f"needed: {keys}; there are: {', '.join(table.column_names)}",
            )
        try:
            cast, complete = cast_keys(table, keys)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            declared = ", ".join(f"{key.name} {key.declared.name}" for key in keys.keys)
            raise InputError(
                f"the entities' ids do not fit the registry's {declared}", hint=" ".join(str(error).split())[:200]
            ) from error
        if not distinct:
            if not complete.all():
                raise InputError("the entities hold null join keys", hint="leave such rows out")
            found[keys] = cast
            continue
        if keys.keys:
            cast = cast.filter(pa.array(complete))
            cast = cast.group_by(cast.column_names).aggregate([])
            if not cast.num_rows:
                raise InputError(f"no row of the entities has all of {keys}", hint="fill the join keys")
        else:
            cast = cast.slice(0, 1)
        found[keys] = cast.combine_chunks() if cast.num_columns else cast
    return found
