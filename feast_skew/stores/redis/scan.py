"""Which keys Redis really holds, best effort and in small steps."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import redis
from feast import RepoConfig
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key_prefix
from feast.infra.provider import Provider

from feast_skew.core.keys import KeySet
from feast_skew.stores.base import KeyScan
from feast_skew.stores.redis.client import client
from feast_skew.stores.redis.faults import unavailable

_STEP = 250
"""Keys of a step: Redis does nothing else meanwhile, which takes it about a tenth of a millisecond."""

_FIELDS = {
    "Int32": "int32_val",
    "Int64": "int64_val",
    "String": "string_val",
    "Bytes": "bytes_val",
    "UnixTimestamp": "unix_timestamp_val",
}


def scan(provider: Provider, config: RepoConfig, keys: KeySet, limit: int, seconds: float) -> KeyScan:
    """Step through the keys of one entity key set with SCAN until done, a limit of keys, or a budget of time.

    Only keys that parse exactly under serialization version 3 and end in the project's name are taken and counted, each
    once: SCAN may give a key twice, and the pattern also fits a project whose name ends in this one's.
    """
    if config.entity_key_serialization_version < 3:
        return KeyScan(None, reason="keys below serialization version 3 cannot be parsed")
    connection = client(provider, config)
    project = config.project.encode()
    names = sorted(keys.names)
    prefix = serialize_entity_key_prefix(names)
    found: dict[str, list[Any]] = {name: [] for name in names}
    fields = {key.name: _FIELDS.get(key.declared.name, "string_val") for key in keys.keys}
    seen, complete, reason = 0, True, ""
    deadline = time.monotonic() + seconds
    try:
        for raw in connection.scan_iter(match=_glob(prefix) + b"*" + _glob(project), count=_STEP):
            seen += 1
            parsed = _parse(bytes(raw), project, names, fields)
            if parsed is not None:
                for name, value in zip(names, parsed, strict=True):
                    found[name].append(value)
            if seen >= limit or (seen % _STEP == 0 and time.monotonic() > deadline):
                complete = False
                reason = "limit of keys" if seen >= limit else "time budget"
                break
    except Exception as error:
        if isinstance(error, redis.exceptions.NoPermissionError):
            return KeyScan(None, reason="this user may not SCAN")
        raise unavailable("redis", error) from error
    columns = [
        pa.array(
            found[key.name],
            pa.int64() if "int" in fields[key.name] or "unix" in fields[key.name] else key.declared.arrow,
        ).cast(key.declared.arrow)
        for key in keys.keys
    ]
    table = pa.table(columns, schema=keys.schema)
    entities = table.group_by(table.column_names).aggregate([])
    return KeyScan(entities, entities.num_rows, complete, reason)


def _parse(raw: bytes, project: bytes, names: list[str], fields: dict[str, str]) -> list[Any] | None:
    if not raw.endswith(project):
        return None
    try:
        key = deserialize_entity_key(raw[: len(raw) - len(project)], entity_key_serialization_version=3)
    except Exception:  # noqa: BLE001  other people's keys may hold anything
        return None
    if list(key.join_keys) != names or len(key.entity_values) != len(names):
        return None
    values = []
    for name, value in zip(names, key.entity_values, strict=True):
        if value.WhichOneof("val") != fields[name]:
            return None
        values.append(getattr(value, fields[name]))
    return values


def _glob(raw: bytes) -> bytes:
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in raw)
