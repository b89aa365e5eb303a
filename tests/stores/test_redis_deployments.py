"""Every deployment of Redis: what Feast wrote into it is read back, and `validate` passes on it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import executor, fleet
from servers.deployments import DEPLOYMENTS, Deployment

pytestmark = pytest.mark.xdist_group("deployments")
COUNT = 1_500
# redis-py names itself on every new connection where the server knows that command; a refusal does not disturb it.
HARMLESS = {"ping", "client|setinfo"}


class World:
    """A deployment that holds the fleet, the repository that wrote it and the one that reads it."""

    def __init__(self, name: str, deployment: Deployment, directory: Path, make: Any) -> None:
        self.name = name
        self.deployment = deployment
        self.table = fleet.rows(COUNT)
        writer = make(directory / "writer", deployment.writes)
        writer.apply(*fleet.objects(writer, self.table))
        writer.materialize()
        deployment.settle()
        self.repo = writer.at(directory / "reader", deployment.reads)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, any_repository: Any
) -> Iterator[World]:
    directory = tmp_path_factory.mktemp(request.param)
    with DEPLOYMENTS[request.param](directory) as deployment:
        yield World(request.param, deployment, directory, any_repository)


def test_what_feast_wrote_is_read(world: World) -> None:
    """By the public function: order, values, instants, and absent told from null."""
    ids = fleet.ids_to_ask(world.table)
    fleet.check(fleet.read(world.repo.store, ids), ids, world.table)


def test_the_reader_alone(world: World) -> None:
    import pyarrow as pa

    ids = fleet.ids_to_ask(world.table)[:999]
    view = world.repo.view_plan(fleet.VIEW)
    fleet.check_rows(fleet.reader(world.repo).read(view, view.features, pa.table({"id": ids})), ids, world.table)


def test_a_reader_without_feast(world: World) -> None:
    """By a recipe that comes out of pickle as it went in, and shows no secret."""
    import pyarrow as pa

    from feast_skew.stores.redis.remote import RemoteReader

    ids = fleet.ids_to_ask(world.table)[:999]
    view = world.repo.view_plan(fleet.VIEW)
    recipe = pickle.loads(pickle.dumps(world.repo.online_reader().recipe([view])))
    reader, bare = RemoteReader(recipe), executor.bare(view)
    fleet.check_rows(reader.read(bare, bare.features, pa.table({"id": ids})), ids, world.table)
    reader.close()
    for secret in world.deployment.secrets:
        assert secret in repr(recipe.address.options)
        assert secret not in repr(recipe) + str(recipe)


def test_nothing_is_written(world: World) -> None:
    from feast_skew.stores.base import KeyScan

    before = [dirty(server) for server in world.deployment.servers]
    fleet.read(world.repo.store, range(200))
    scan: KeyScan = fleet.reader(world.repo).scan_keys(world.repo.view_plan(fleet.VIEW), 10**6, 30.0)
    assert [dirty(server) for server in world.deployment.servers] == before
    assert scan.entities is not None
    assert sorted(scan.entities.column("id").to_pylist()) == world.table.column("id").to_pylist()


def test_rows_under_other_keys_and_types(world: World) -> None:
    """Serving asks by texts, and the rows are under numbers; what is nowhere is looked for all over, and nothing is written."""
    from dataclasses import replace

    import pyarrow as pa

    from feast_skew.core.keys import JoinKey, KeySet
    from feast_skew.core.types import key_type

    before = [dirty(server) for server in world.deployment.servers]
    view, reader = world.repo.view_plan(fleet.VIEW), fleet.reader(world.repo)
    by_text = replace(view, keys=KeySet((JoinKey("id", key_type("String")),)))
    ids = world.table.column("id").to_pylist()[:100]
    found = reader.find_elsewhere(by_text, pa.table({"id": [str(one) for one in ids]}))
    assert [(one.what, one.found, one.held) for one in found] == [("id type", "Int64", 100)]
    moments = world.table.column("event_timestamp").cast("int64").to_numpy()[:100]
    assert found[0].instants.tolist() == (moments * 1000).tolist()
    assert reader.find_elsewhere(view, pa.table({"id": [-2 * one - 1 for one in ids]})) == []
    stored = {f.name: reader.stored_values(view, f, pa.table({"id": ids})) for f in view.features}
    assert all(one.declared in one.names and {*one.names} <= {one.declared, ""} for one in stored.values())
    assert [dirty(server) for server in world.deployment.servers] == before


def dirty(server: Any) -> tuple[int, int]:
    """Tell what writes have left in a server: how many keys, and how many changes since it started."""
    return server.ask("DBSIZE"), server.ask("INFO", "persistence")["rdb_changes_since_last_save"]


def test_validate_passes_and_needs_no_more_than_it_may(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0 of the command; no secret in anything that it writes; nothing refused that it needs."""
    for server in world.deployment.servers:
        server.ask("ACL", "LOG", "RESET")
    report = world.repo.directory / "report.json"
    arguments = ["validate", "--repo", str(world.repo.directory), "--as-of", "2024-02-01", "--output", f"json={report}"]
    monkeypatch.setattr(sys, "argv", ["feast-skew", *arguments])
    from feast_skew.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert ended.value.code == 0, out + err
    text = report.read_text()
    assert '"match": 0' not in text
    written = [file.read_bytes() for file in world.repo.directory.rglob(".feast_skew/*")]
    assert written
    for secret in world.deployment.secrets:
        assert all(secret not in told for told in (out, err, text))
        assert all(secret.encode() not in kept for kept in written)
    assert world.deployment.denied() <= HARMLESS
