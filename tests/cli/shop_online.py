"""A shop that was applied with Feast alone, with its plain view online."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rides import Run

sys.path.append(str(Path(__file__).parents[1] / "gate"))

import shop as kit

from feast_skew.embedded.redis_server import EmbeddedRedis

FILES, make_shop = kit.FILES, kit.make_shop
_NUMBERS = count()


@dataclass(frozen=True)
class Shop(kit.Shop):
    """A shop that can be copied; the online rows of its copies are shared, and stay as they are."""

    def copied(self, path: Path) -> Shop:
        shutil.copytree(self.path, path)
        return Shop(path)


def new_shop(path: Path, redis: EmbeddedRedis, registry: str = "data/registry.db") -> Shop:
    """Make a shop, apply it with Feast alone, and write its plain view online."""
    project = f"shop_{path.parent.name}_{next(_NUMBERS)}"
    made = Shop(kit.make_shop(path, registry, redis.connection_string, customers=300, project=project).path)
    done = made.feast("apply")
    assert done.returncode == 0, done.stderr
    made.materialize("spending")
    return made


def plan_of(run: Run, shop: kit.Shop, *options: str) -> tuple[int, dict[str, Any]]:
    """Plan, and give the exit code and the plan."""
    done = run("plan", "--repo", shop.path, "--output", "json=-", "--no-progress", *options)
    return done.code, json.loads(done.out)
