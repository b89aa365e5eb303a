"""Edits of the shop's definitions, as somebody would make them: those that change what features mean, and those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shop import SERVICES


@dataclass(frozen=True)
class Edit:
    """One edit: in a file, a text by another one; or files as a whole. `catches` names what it changes, none for harmless ones."""

    name: str
    file: str = ""
    before: str = ""
    after: str = ""
    catches: str = ""
    files: Mapping[str, str | None] = field(default_factory=dict)

    def apply(self, files: Mapping[str, str]) -> dict[str, str]:
        """Give the files of the repository after the edit."""
        changed = dict(files)
        if self.file:
            assert self.before in files[self.file], f"{self.name}: {self.before!r} is not in {self.file}"
            changed[self.file] = files[self.file].replace(self.before, self.after, 1)
        for name, text in self.files.items():
            if text is None:
                del changed[name]
            else:
                changed[name] = text
        return changed


MEANING = (
    Edit("source: the 7-day table for the 30-day one", "sources.py", "orders_30d.parquet", "orders_7d.parquet", "spending"),
    Edit("source: another timestamp column", "sources.py", 'timestamp_field="event_timestamp",\n    created', 'timestamp_field="happened",\n    created', "spending"),
    Edit("source: another created column", "sources.py", 'created_timestamp_column="created"', 'created_timestamp_column="loaded"', "spending"),
    Edit("source: no created column", "sources.py", '    created_timestamp_column="created",\n', "", "spending"),
    Edit("source: a field mapping", "sources.py", '    owner="orders@example.com",\n', '    owner="orders@example.com",\n    field_mapping={"segment_v2": "segment"},\n', "spending"),
    Edit("push source: another batch source", "sources.py", "batch_source=visits)\nclicks", "batch_source=orders)\nclicks", "visiting"),
    Edit("stream: another topic", "sources.py", 'topic="clicks"', 'topic="clicks_v2"', "clicking"),
    Edit("ttl: two days to one hour", "views.py", "ttl=timedelta(days=2)", "ttl=timedelta(hours=1)", "spending"),
    Edit("ttl: none any more", "views.py", "ttl=timedelta(days=2)", "ttl=timedelta(0)", "spending"),
    Edit("feature: another type", "views.py", 'Field(name="avg_amount", dtype=Float64', 'Field(name="avg_amount", dtype=Float32', "spending"),
    Edit("feature: removed", "views.py", '        Field(name="segment", dtype=String),\n', "", "spending"),
    Edit("feature: added", "views.py", 'Field(name="segment", dtype=String),', 'Field(name="segment", dtype=String), Field(name="loaded_by", dtype=String),', "spending"),
    Edit("feature: renamed", "views.py", 'Field(name="segment"', 'Field(name="class"', "spending"),
    Edit("definition: 30 days to 7", "views.py", '"window": "30d"', '"window": "7d"', "spending"),
    Edit("view: another entity", "views.py", "entities=[customer],\n    ttl=timedelta(days=2)", "entities=[store],\n    ttl=timedelta(days=2)", "spending"),
    Edit("view: two entities", "views.py", "entities=[customer],\n    ttl=timedelta(days=2)", "entities=[customer, store],\n    ttl=timedelta(days=2)", "spending"),
    Edit("entity: ids as text", "entities.py", "value_type=ValueType.INT64", "value_type=ValueType.STRING", "spending"),
    Edit("view: not online any more", "views.py", '    schema=[Field(name="visits", dtype=Int64)],\n)', '    schema=[Field(name="visits", dtype=Int64)],\n    online=False,\n)', "visiting"),
    Edit("batch view: another function", "views.py", 'frame["visits2"] = frame["visits"] * 2\n    return frame\n""",', 'frame["visits2"] = frame["visits"] * 3\n    return frame\n""",', "batched"),
    Edit("batch view: another aggregation", "views.py", 'Aggregation(column="visits", function="sum"', 'Aggregation(column="visits", function="max"', "rolled"),
    Edit("batch view: another window", "views.py", 'function="sum", time_window=timedelta(days=7)', 'function="sum", time_window=timedelta(days=14)', "rolled"),
    Edit("stream view: 30 days to 7", "views.py", 'function="mean", time_window=timedelta(days=30)', 'function="mean", time_window=timedelta(days=7)', "clicking"),
    Edit("stream view: another slide", "views.py", 'timedelta(days=30), slide_interval=timedelta(days=1)', 'timedelta(days=30), slide_interval=timedelta(hours=1)', "clicking"),
    Edit("stream view: another function", "views.py", "def clicking(row):\n    return row", "def clicking(row):\n    return row if row else None", "clicking"),
    Edit("on demand: another function", "computed.py", 'tax(inputs["avg_amount"]) *', 'tax(inputs["orders"]) *', "expecting"),
    Edit("on demand: a constant outside", "computed.py", "RATE = 1.5", "RATE = 1.6", "expecting"),
    Edit("on demand: a helper outside", "computed.py", "return amount * 1.2", "return amount * 1.19", "expecting"),
    Edit("on demand: a default argument", "computed.py", "scale: float = 1.0", "scale: float = 2.0", "expecting"),
    Edit("on demand: request data of another type", "computed.py", 'Field(name="items", dtype=Int64)', 'Field(name="items", dtype=Float64)', "expecting"),
    Edit("on demand: another source", "computed.py", "sources=[spending, basket]", "sources=[spending, visiting, basket]", "expecting"),
    Edit("on demand: written online", "computed.py", 'mode="python",\n)', 'mode="python",\n    write_to_online_store=True,\n    entities=[__import__("entities").customer],\n)', "adding"),
    Edit("service: one feature less", "services.py", '["avg_amount", "orders"]', '["avg_amount"]', "basket_model"),
    Edit("service: other keys", "services.py", '"buyer_id"', '"payer_id"', "basket_model"),
    Edit("service: another alias", "services.py", 'with_name("site")', 'with_name("web")', "basket_model"),
)  # fmt: skip
"""What features mean is another thing after each; `catches` is the view or service that means something else."""

HARMLESS = (
    Edit("owner of a view", "views.py", 'owner="crm@example.com",\n    org', 'owner="growth@example.com",\n    org'),
    Edit("organisation of a view", "views.py", 'org="crm"', 'org="growth"'),
    Edit("description of a view", "views.py", "What a customer spends", "Spending of a customer"),
    Edit("tags of a view", "views.py", '"team": "crm", "skew.max_lag": "2d"', '"team": "growth", "tier": "1"'),
    Edit("description of a feature", "views.py", 'description="Mean amount"', 'description="The mean amount"'),
    Edit("owner, tags and description of a source", "sources.py", 'owner="orders@example.com",\n    description="Sums of orders",\n    tags={"tier": "gold"},', 'owner="sales@example.com",\n    description="Orders",'),
    Edit("name of a source", "sources.py", 'name="orders",', 'name="all_orders",'),
    Edit("owner and description of an entity", "entities.py", 'owner="crm@example.com", description="Who buys"', 'owner="growth@example.com"'),
    Edit("owner and tags of a service", "services.py", 'owner="models@example.com",\n    tags={"model": "basket_v3"},', 'owner="ml@example.com",'),
    Edit("comments", "views.py", "# Pushed by the site.", "# Pushed by the site, and by the app."),
    Edit("order of features", "views.py", '        Field(name="orders", dtype=Int64),\n        Field(name="segment", dtype=String),\n', '        Field(name="segment", dtype=String),\n        Field(name="orders", dtype=Int64),\n'),
    Edit("order of a service's features", "services.py", '["avg_amount", "orders"]', '["orders", "avg_amount"]'),
    Edit("order of a service's views", "services.py", '        spending[["avg_amount", "orders"]],\n        visiting.with_name("site").with_join_key_map({"customer_id": "buyer_id"}),\n', '        visiting.with_name("site").with_join_key_map({"customer_id": "buyer_id"}),\n        spending[["avg_amount", "orders"]],\n'),
    Edit("order of imports", "views.py", "from entities import customer, store\nfrom sources import clicks, orders, pushed, visits\n", "from sources import clicks, orders, pushed, visits\nfrom entities import customer, store\n"),
    Edit("layout", "views.py", "ttl=timedelta(days=2),\n    source=orders,", "source=orders, ttl=timedelta(days=2),"),
    Edit("the same time in hours", "views.py", "ttl=timedelta(days=2)", "ttl=timedelta(hours=48)"),
    Edit("comments and layout of a function", "computed.py", '    # The mean, times the items.\n    out["expected"] = tax(inputs["avg_amount"]) * inputs["items"] * RATE * scale\n', '    out["expected"] = (\n        tax(inputs["avg_amount"]) * inputs["items"] * RATE * scale\n    )\n'),
    Edit("doc string of a function", "computed.py", '    """Expect what a basket costs."""\n', '    """Give what a basket will cost."""\n'),
    Edit("annotations of a function", "computed.py", "def adding(inputs: dict) -> dict:", "def adding(inputs):"),
    Edit("owner of an on-demand view", "computed.py", 'mode="pandas",\n    owner="crm@example.com",', 'mode="pandas",\n    owner="growth@example.com",'),
    Edit("comment in a helper", "computed.py", "    # Value added tax.\n", ""),
    Edit("the definition written otherwise", "views.py", '"aggregate": "mean", "value": "amount", "window": "30d"}', '"window": "30d", "value": "amount", "aggregate": "mean"}'),
    Edit("the definition's tag as YAML", "views.py", "json.dumps(MEANING)", "json.dumps(MEANING, indent=1)"),
    Edit("definitions in another file", files={"services.py": None, "models.py": SERVICES}),
)  # fmt: skip
"""What features mean is the same after each."""
