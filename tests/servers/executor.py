"""A Python that has what Spark's executors are given and no more: rows are read there by a recipe, and sent back as bytes.

Run as a script this file is that Python.
"""

from __future__ import annotations

import importlib.abc
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

ABSENT = (
    "feast",
    "pandas",
    "pydantic",
    "scipy",
    "great_expectations",
    "pyspark",
    "typeguard",
    "yaml",
    "click",
    "tqdm",
)
"""What is not installed there."""


class _Absent(importlib.abc.MetaPathFinder):
    """Finds nothing of what is absent, wherever it is installed."""

    absent: Sequence[str] = ABSENT

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if name.partition(".")[0] in self.absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def run(task: Any) -> Any:
    """Have a task done in such a Python; give what it gives, or raise what it raises.

    A task is a list of names of modules to be loaded, or a recipe and questions: for each one a view, features and entities.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, __file__],
        input=pickle.dumps(task),
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer = pickle.loads(done.stdout)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def bare(view: Any) -> Any:
    """Give the plan of a view without anything of Feast's, as it can be sent."""
    features = tuple(replace(feature, feast_type=None) for feature in view.features)
    return replace(view, handle=None, features=features)


def encoded(columns: Mapping[str, Any]) -> bytes:
    """Give columns as Arrow writes them: equal bytes are equal values, each NaN and every -0.0 among them."""
    import pyarrow as pa

    table = pa.table(dict(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def encoded_rows(rows: Any) -> bytes:
    """Give the rows of a read as bytes: moments, values, and which of them are corrupt."""
    corrupt = {f"{name} is corrupt": mask for name, mask in rows.corrupt.items()}
    return encoded({"moment": rows.instants, **rows.columns, **corrupt})


def _do(task: Any) -> Any:
    if isinstance(task, list):
        return [importlib.import_module(name).__name__ for name in task]
    from feast_skew.stores.redis.remote import RemoteReader

    recipe, questions = task
    reader = RemoteReader(recipe)
    found = [encoded_rows(reader.read(*question)) for question in questions]
    reader.close()
    return found, reader.findings


def main() -> None:
    sys.meta_path.insert(0, _Absent())
    try:
        answer = _do(pickle.load(sys.stdin.buffer))
    except Exception as error:  # noqa: BLE001  raised by `run`
        answer = error
    assert not set(ABSENT) & set(sys.modules)
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
