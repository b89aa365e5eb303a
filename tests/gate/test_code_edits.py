"""Edits of code that Feast's registry does not hold, in a repository that was applied behind the gate: found, and told by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import FILES, Shop, make_shop

from feast_skew.gate.applying import remember
from feast_skew.gate.passing import inside
from feast_skew.gate.proposal import Proposal
from feast_skew.gate.reading import Asked, read
from feast_skew.gate.run import detect
from feast_skew.measuring.progress import NoProgress
from feast_skew.stores.feast_apply import feast_apply

PRICES = """\
RATE = 1.1


def rounded(value):
    # To cents.
    return round(value, 2)
"""

CODED = '''\
import pandas as pd
from feast import Field
from feast.on_demand_feature_view import OnDemandFeatureView, on_demand_feature_view
from feast.transformation.pandas_transformation import PandasTransformation
from feast.types import Float64

from views import spending


@on_demand_feature_view(sources=[spending], schema=[Field(name="price", dtype=Float64)], mode="pandas")
def pricing(inputs: pd.DataFrame) -> pd.DataFrame:
    from prices import RATE, rounded

    out = pd.DataFrame()
    out["price"] = inputs["avg_amount"].map(rounded) * RATE
    return out


def made(name, udf, text):
    return OnDemandFeatureView(
        name=name,
        sources=[spending],
        schema=[Field(name=name + "_value", dtype=Float64)],
        feature_transformation=PandasTransformation(udf=udf, udf_string=text),
        mode="pandas",
    )


beside = made(
    "beside",
    lambda frame: pd.DataFrame({"beside_value": frame["avg_amount"] * 2.0}),
    "lambda frame: what somebody wrote beside it",
)
instead = made(
    "instead",
    lambda frame: pd.DataFrame({"instead_value": frame["avg_amount"] * 2.0}),
    """def instead(frame):
    return pd.DataFrame({"instead_value": frame["avg_amount"] * 3.0})
""",
)
'''

CODE = {**FILES, "prices.py": PRICES, "coded.py": CODED}


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = make_shop(tmp_path_factory.mktemp("coded") / "shop")
    shop.write(CODE)
    with read(Asked(shop.path), NoProgress()) as found:
        proposal = Proposal(found.store.project, "2026-03-04T00:00:00Z", {}, 0, applied=found.applied)
    with inside():
        feast_apply(shop.path, [])
    remember(proposal)
    return shop


@pytest.fixture
def shop(coded: Shop) -> Iterator[Shop]:
    yield coded
    coded.write(CODE)


def told(shop: Shop) -> dict[str, list[str]]:
    return {change.name: [str(part) for part in change.parts] for change in detect(Asked(shop.path))}


def test_nothing_changed(shop: Shop) -> None:
    assert told(shop) == {}
    assert not list(shop.path.rglob("__pycache__"))


def test_a_constant_imported_in_the_body(shop: Shop) -> None:
    shop.edit("prices.py", "RATE = 1.1", "RATE = 7.7")
    assert told(shop) == {"pricing": ["uses RATE of prices: 1.1 -> 7.7"]}


def test_a_helper_imported_in_the_body(shop: Shop) -> None:
    shop.edit("prices.py", "round(value, 2)", "round(value, 1)")
    assert told(shop) == {"pricing": ["uses rounded of prices changed"]}


def test_a_comment_in_a_helper(shop: Shop) -> None:
    shop.edit("prices.py", "    # To cents.\n", "")
    assert told(shop) == {}


@pytest.mark.parametrize("path", ["./data/orders_30d.parquet", "data//orders_30d.parquet", "data/./orders_30d.parquet"])
def test_the_same_path_spelled_otherwise(shop: Shop, path: str) -> None:
    shop.edit("sources.py", "data/orders_30d.parquet", path)
    assert told(shop) == {}


def test_a_uri_is_taken_as_it_is() -> None:
    from feast import FeatureView, FileSource

    from feast_skew.stores.feast_meaning import meaning_of

    for uri in ("s3://bucket//x/./y.parquet", "gs://bucket/x", "/abs/x.parquet", "../up/x.parquet"):
        source = FileSource(name="s", path=uri, timestamp_field="t")
        assert meaning_of(FeatureView(name="v", source=source)).parts["source"]["fileOptions"]["uri"] == uri


def test_a_function_beside_a_text_that_defines_none(shop: Shop) -> None:
    """Feast has pickled the function, and runs that."""
    shop.edit("coded.py", '"beside_value": frame["avg_amount"] * 2.0', '"beside_value": frame["avg_amount"] * 5.0')
    assert told(shop) == {"beside": ["transformation code changed"]}
    shop.write(CODE)
    shop.edit("coded.py", "what somebody wrote beside it", "what somebody writes beside it")
    assert told(shop) == {}


def test_a_text_in_the_place_of_a_function(shop: Shop) -> None:
    """Feast runs the text once the view comes from the registry, online and offline."""
    shop.edit("coded.py", "* 3.0", "* 4.0")
    assert told(shop) == {"instead": ["transformation code changed"]}
    shop.write(CODE)
    shop.edit("coded.py", '"instead_value": frame["avg_amount"] * 2.0', '"instead_value": frame["avg_amount"] * 5.0')
    assert told(shop) == {}


def test_it_is_what_feast_runs(shop: Shop) -> None:
    """The premise: what comes from the registry, for serving as for training."""
    import pandas as pd
    from feast import FeatureStore

    store, frame = FeatureStore(repo_path=str(shop.path)), pd.DataFrame({"avg_amount": [1.0]})
    ran = {
        name: store.get_on_demand_feature_view(name).feature_transformation.udf(frame) for name in ("beside", "instead")
    }
    assert ran["beside"]["beside_value"].tolist() == [2.0]
    assert ran["instead"]["instead_value"].tolist() == [3.0]


def test_a_state_from_before_names_were_told() -> None:
    """An earlier feast-skew noted one digest of everything that is used: that says nothing of what changed."""
    from feast_skew.core.meaning import Meaning
    from feast_skew.gate.memory import as_applied, comparable

    registered = Meaning("v", "OnDemandFeatureView", {"ttl": 1})
    old = Meaning("v", "OnDemandFeatureView", {"ttl": 1, "uses": "0" * 32})
    defined = Meaning("v", "OnDemandFeatureView", {"ttl": 1, "uses": {"RATE": "1.1"}})
    assert as_applied(registered, old).fingerprint == comparable(registered, defined, old).fingerprint
