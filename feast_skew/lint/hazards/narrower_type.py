"""A column that does not fit into its declared type."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS120",
    "warn",
    "a column that does not fit into its declared type",
    why="the online store keeps a value in its declared type and cuts what does not fit; training reads the column as it is, with more digits, or with nulls that make whole numbers floating",
    remedy="declare the type of the column, or write the column in the declared type",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the columns of local Parquet files behind features."""
    for view in repository.views:
        source = view.source
        if source is None or source.columns is None or view.has_code or view.aggregations:
            continue
        back = {after: before for before, after in source.mapping.items()}
        for feature, declared in view.features.items():
            column = source.columns.get(back.get(feature, feature), "")
            if column in _WIDER.get(declared, ()):
                yield Hit(view.name, f"{feature} is declared {declared}, and the column is {column}")


_WIDER = {
    "Float32": ("double", "int64", "int32", "uint32", "uint64"),
    "Float64": ("int64", "uint64"),
    "Int32": ("int64", "uint32", "uint64", "float", "double"),
    "Int64": ("float", "double", "uint64"),
}
