"""Every edit that changes what features mean is found, and no other one: in registries of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from edits import HARMLESS, MEANING, Edit
from shop import DAY, FILES, Shop, make_shop

from feast_skew.gate.applying import remember
from feast_skew.gate.passing import inside
from feast_skew.gate.proposal import Proposal
from feast_skew.gate.reading import Asked, read
from feast_skew.gate.run import detect
from feast_skew.measuring.progress import NoProgress
from feast_skew.stores.feast_apply import feast_apply

OUTSIDE = {
    "on demand: a constant outside",
    "on demand: a helper outside",
    "batch view: another aggregation",
    "batch view: another window",
}
"""What Feast's registry does not keep: found where the last apply went through the gate."""


def applied(shop: Shop, *, gate: bool) -> Shop:
    """Apply the shop as it is, behind the gate or by Feast alone."""
    with read(Asked(shop.path), NoProgress()) as found:
        proposal = Proposal(found.store.project, "2026-03-04T00:00:00Z", {}, 0, applied=found.applied)
    with inside():
        feast_apply(shop.path, [])
    if gate:
        remember(proposal)
    note_materialization(shop)
    return shop


def note_materialization(shop: Shop) -> None:
    """Note that plain views were materialized, as they are in a store in use: that bookkeeping is no change, though `feast plan` shows it."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(shop.path))
    for name in ("spending", "visiting"):
        store.registry.apply_materialization(store.get_feature_view(name), store.project, DAY - timedelta(days=9), DAY)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with its registry in a file, applied behind the gate."""
    return applied(make_shop(tmp_path_factory.mktemp("gated") / "shop"), gate=True)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that Feast applied alone."""
    return applied(make_shop(tmp_path_factory.mktemp("stock") / "shop"), gate=False)


@pytest.fixture(scope="module")
def in_sql(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with its registry in a database, applied behind the gate."""
    path = tmp_path_factory.mktemp("sql")
    registry = f"{{registry_type: sql, path: 'sqlite:///{path}/registry.sqlite'}}"
    return applied(make_shop(path / "shop", registry=registry), gate=True)


Found = Callable[[Shop, Edit], list[str]]


@pytest.fixture
def found() -> Iterator[Found]:
    """Make an edit and give the names of what changes meaning; undone at the end."""
    edited: list[Shop] = []

    def find(shop: Shop, edit: Edit) -> list[str]:
        edited.append(shop)
        shop.write(edit.apply(FILES))
        return [change.name for change in detect(Asked(shop.path))]

    yield find
    for shop in edited:
        shop.write(FILES)


def test_there_are_enough_of_both() -> None:
    assert len(MEANING) >= 20
    assert len(HARMLESS) >= 10
    assert len({edit.name for edit in (*MEANING, *HARMLESS)}) == len(MEANING) + len(HARMLESS)
    assert all(edit.catches for edit in MEANING)


@pytest.mark.parametrize("kind", ["gated", "stock", "in_sql"])
def test_nothing_changed_is_nothing_found(kind: str, request: pytest.FixtureRequest) -> None:
    assert detect(Asked(request.getfixturevalue(kind).path)) == ()


@pytest.mark.parametrize("edit", MEANING, ids=lambda edit: edit.name)
@pytest.mark.parametrize("kind", ["gated", "in_sql"])
def test_a_change_of_meaning_is_found(kind: str, edit: Edit, request: pytest.FixtureRequest, found: Found) -> None:
    assert edit.catches in found(request.getfixturevalue(kind), edit)


@pytest.mark.parametrize("edit", [edit for edit in MEANING if edit.name not in OUTSIDE], ids=lambda edit: edit.name)
def test_a_change_of_meaning_is_found_after_a_plain_apply(edit: Edit, stock: Shop, found: Found) -> None:
    assert edit.catches in found(stock, edit)


@pytest.mark.parametrize("edit", HARMLESS, ids=lambda edit: edit.name)
@pytest.mark.parametrize("kind", ["gated", "stock", "in_sql"])
def test_a_harmless_edit_is_not(kind: str, edit: Edit, request: pytest.FixtureRequest, found: Found) -> None:
    assert found(request.getfixturevalue(kind), edit) == []


def test_the_registry_is_left_as_it_was(gated: Shop, found: Found) -> None:
    file = gated.path / "data" / "registry.db"
    before = file.read_bytes()
    for edit in MEANING[:3]:
        found(gated, edit)
    assert file.read_bytes() == before


def test_a_repository_that_was_never_applied(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    assert {change.kind for change in detect(Asked(shop.path))} == {"new"}
    assert not (shop.path / "data" / "registry.db").exists()
