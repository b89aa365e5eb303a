"""The stores that readers of Redis are measured on: generated views, and the flights of the demo."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from generating import ALL_TYPES, VIEW, World, make_repository, offline_rows
from loading import load_latest

TASK = "task.json"
IDS = "ids.parquet"
FLIGHTS = "flights"
_AGAIN = 25
"""How often each plane of the flights is asked for: there are only some thousands."""


@dataclass(frozen=True)
class Task:
    """What is read: a repository, features by view, and a table of ids."""

    directory: str
    project: str
    features: dict[str, list[str]]
    host: str
    port: int

    @classmethod
    def load(cls, directory: Path) -> Task:
        """Read the task of a prepared directory."""
        return cls(**json.loads((directory / TASK).read_text()))

    def save(self, ids: pa.Table) -> None:
        """Write the task, and its ids, into its directory."""
        (Path(self.directory) / TASK).write_text(json.dumps(asdict(self)))
        pq.write_table(ids, Path(self.directory) / IDS)

    @property
    def references(self) -> list[str]:
        """The features as Feast names them."""
        return [f"{view}:{name}" for view, names in self.features.items() for name in names]

    def ids(self) -> pa.Table:
        """Give the ids."""
        return pq.read_table(Path(self.directory) / IDS)

    def store(self, client: str = "redis") -> Any:
        """Open the repository, with the client of Redis that Feast is to use."""
        from feast import FeatureStore

        settings = yaml.safe_load((Path(self.directory) / "feature_store.yaml").read_text())
        settings["online_store"]["client"] = client
        file = Path(self.directory) / f"{client}.yaml"
        file.write_text(yaml.safe_dump(settings))
        return FeatureStore(repo_path=self.directory, fs_yaml_file=file)


def generated(entities: int) -> dict[str, World]:
    """Give the generated worlds by name; one row per entity."""
    text = {"user": "String"}
    mixed = {f"f_{kind.lower()}": kind for kind in ALL_TYPES}
    found = {}
    for features in (1, 10, 50):
        found[f"{features} x Float64, int keys"] = World.of_doubles(entities, features, 1, shuffled=True)
        found[f"{features} x Float64, string keys"] = World.of_doubles(entities, features, 1, keys=text, shuffled=True)
    found["7 types, a tenth null, int keys"] = World(entities, mixed, days=1, nulls=0.1, shuffled=True)
    return found


def prepare(world: World, directory: Path, server: Any) -> None:
    """Fill an empty server with a world, and write its repository and the ids in the order of the offline rows."""
    make_repository(World(**{**asdict(world), "entities": 1000}), directory, server.connection_string)
    load_latest(server.connection_string, world)
    ids = pa.concat_tables(rows.select(list(world.keys)) for rows in offline_rows(world, world.days - 1))
    features = {VIEW: list(world.features)}
    Task(str(directory), world.project, features, server.host, server.port).save(ids.combine_chunks())


def prepare_flights(directory: Path, server: Any) -> None:
    """Fill an empty server with the demo's flights by Feast's own materialization; two views by plane are read."""
    from feast import FeatureStore

    from feast_skew.demo.flights import FlightsRepository, redis_named

    with redis_named(server.connection_string):
        repository = FlightsRepository(directory)
        repository.build(30)
        repository.apply()
        repository.materialize()
        store = FeatureStore(repo_path=str(directory))
        views = [store.get_feature_view(name) for name in ("plane_delays", "plane_profile")]
    features = {view.name: [field.name for field in view.features] for view in views}
    planes = pq.read_table(directory / "data" / "planes.parquet", columns=["tailnum"])
    Task(str(directory), store.project, features, server.host, server.port).save(pa.concat_tables([planes] * _AGAIN))
