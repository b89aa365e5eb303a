"""A plain `feast apply` behind the gate: blocked before anything is written, for registries of both kinds, and whatever it wraps."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop, make_shop

from feast_skew.embedded.redis_server import EmbeddedRedis
from feast_skew.errors import ConfigError

# What is made once for all of them takes longer than they do.
pytestmark = pytest.mark.xdist_group("provider")

WEEK = ("sources.py", "orders_30d.parquet", "orders_7d.parquet")
GATED = ("feature_store.yaml", "provider: local", "provider: feast_skew.SkewProvider")


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


def shop_with(tmp_path: Path, redis: EmbeddedRedis, registry: str) -> Shop:
    """Make a shop that is applied by Feast alone, serves its plain view, and is behind the gate from then on."""
    shop = make_shop(
        tmp_path / "shop", registry, redis.connection_string, customers=200, project=f"shop_{abs(hash(tmp_path))}"
    )
    done = shop.feast("apply")
    assert done.returncode == 0, done.stderr
    shop.materialize("spending")
    shop.edit(*GATED)
    return shop


@pytest.fixture(scope="module", params=["file", pytest.param("sql", marks=pytest.mark.slow)])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis
) -> tuple[Shop, Path]:
    """A shop and the file that its registry is in."""
    place = tmp_path_factory.mktemp(str(request.param))
    database = place / "registry.sqlite"
    registry = (
        "data/registry.db" if request.param == "file" else f"{{registry_type: sql, path: 'sqlite:///{database}'}}"
    )
    shop = shop_with(place, redis, registry)
    return shop, shop.path / "data" / "registry.db" if request.param == "file" else database


def test_a_plain_apply_is_refused_until_it_is_approved(served: tuple[Shop, Path]) -> None:
    shop, registry = served
    unchanged = shop.feast("apply")
    assert unchanged.returncode == 0, unchanged.stderr
    before = registry.read_bytes()
    shop.edit(*WEEK)
    refused = shop.feast("apply")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(
        "feast-skew: nothing was applied: the change of spending makes skew"
    )
    assert "Traceback" not in refused.stderr
    assert "this change gives spending:avg_amount other values" in refused.stderr
    assert registry.read_bytes() == before
    # A plan is told, and never stopped.
    planned = shop.feast("plan")
    assert planned.returncode in (0, 1)  # Feast's own plan stops at a batch view with code
    assert "this change gives spending:avg_amount" in planned.stderr
    assert registry.read_bytes() == before
    command = [
        sys.executable,
        "-m",
        "feast_skew",
        "plan",
        "--repo",
        str(shop.path),
        "--quiet",
        "--approve",
        "spending",
        "--reason",
        "meant",
    ]
    import subprocess

    assert subprocess.run(command, check=False, cwd=shop.path.parent).returncode == 0
    approved = shop.feast("apply")
    assert approved.returncode == 0, approved.stderr
    assert "approved by" in approved.stderr
    assert registry.read_bytes() != before


def test_without_source_validation_a_file_is_still_not_written(tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = shop_with(tmp_path, redis, "data/registry.db")
    shop.edit(*WEEK)
    before = (shop.path / "data" / "registry.db").read_bytes()
    refused = shop.feast("apply", "--skip-source-validation")
    assert refused.returncode == 1
    assert "nothing was applied" in refused.stderr
    assert (shop.path / "data" / "registry.db").read_bytes() == before


def test_what_cannot_be_measured_has_code_three(tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = shop_with(tmp_path, redis, "data/registry.db")
    shop.edit("views.py", "time_window=timedelta(days=30)", "time_window=timedelta(days=7)")
    assert shop.feast("apply").returncode == 3


def test_apply_from_feast_skew_passes_once(tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = shop_with(tmp_path, redis, "data/registry.db")
    shop.edit(*WEEK)
    import subprocess

    command = [
        sys.executable,
        "-m",
        "feast_skew",
        "apply",
        "--repo",
        str(shop.path),
        "--approve",
        "spending",
        "--reason",
        "meant",
        "--no-progress",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("changes meaning") == 2  # the head line and the view, once
    assert "changes meaning" not in done.stderr


def test_it_is_what_it_wraps(tmp_path: Path) -> None:
    from feast import FeatureStore
    from feast.infra.passthrough_provider import PassthroughProvider

    from feast_skew import SkewProvider

    shop = make_shop(tmp_path / "shop")
    shop.edit(*GATED)
    provider = FeatureStore(repo_path=str(shop.path))._get_provider()
    assert isinstance(provider, SkewProvider)
    assert isinstance(provider, PassthroughProvider)
    (tmp_path / "shop" / "own.py").write_text(
        "from feast.infra.passthrough_provider import PassthroughProvider\nclass OwnProvider(PassthroughProvider):\n    mark = 1\n"
    )
    (shop.path / "feature_store.yaml").open("a").write("feast_skew:\n  provider: own.OwnProvider\n")
    sys.path.insert(0, str(shop.path))
    try:
        assert FeatureStore(repo_path=str(shop.path))._get_provider().mark == 1  # type: ignore[attr-defined]
    finally:
        sys.path.remove(str(shop.path))
        sys.modules.pop("own", None)


@pytest.mark.parametrize("name", ["nothing", "feast_skew.SkewProvider"])
def test_what_cannot_be_wrapped(tmp_path: Path, name: str) -> None:
    from feast import FeatureStore

    shop = make_shop(tmp_path / "shop")
    shop.edit(*GATED)
    (shop.path / "feature_store.yaml").open("a").write(f"feast_skew:\n  provider: {name}\n")
    with pytest.raises(ConfigError, match="provider"):
        FeatureStore(repo_path=str(shop.path))._get_provider()
    shutil.rmtree(shop.path)


SPELLINGS = ("nope", "feast_skew.SkewProvider", "feast_skew.provider.SkewProvider", "no.such.Klass", "json.JSONDecoder")


@pytest.mark.parametrize(
    "name",
    [one if one in ("nope", "json.JSONDecoder") else pytest.param(one, marks=pytest.mark.slow) for one in SPELLINGS],
)
def test_a_plain_apply_says_in_one_line_what_cannot_be_wrapped(tmp_path: Path, name: str) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.edit(*GATED)
    (shop.path / "feature_store.yaml").open("a").write(f"feast_skew:\n  provider: {name}\n")
    done = shop.feast("apply")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"feast-skew: feast_skew: provider '{name}' is none that can be wrapped")


def test_what_nobody_expected_is_one_line_and_code_three(tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = make_shop(tmp_path / "shop", "data/registry.db", redis.connection_string)
    shop.edit(*GATED)
    # Something breaks inside of the gate.
    shop.edit("views.py", "import json\n", "import json\nimport feast_skew.gate.run\nfeast_skew.gate.run.iso = None\n")
    done = shop.feast("apply")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("feast-skew: unexpected TypeError: ")
    assert "feast-skew plan --repo" in line
