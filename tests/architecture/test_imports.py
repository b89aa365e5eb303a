"""Which part of the package may use which: layers in one direction, and each foreign library in its own place."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "feast_skew"

# From the bottom up. A part may use the parts of lower layers and itself, never its neighbours in a layer.
LAYERS = (
    (PACKAGE,),  # the public names, fetched from their homes when they are first used
    ("errors",),
    ("core", "statistics", "files", "embedded", "setting_values"),
    ("alert_settings",),
    ("config", "report"),
    ("owners",),
    ("stores", "history", "render"),
    ("measuring", "replay", "lint", "pushing"),
    ("judging", "remembered"),
    ("diagnosis", "calibration"),
    ("engines", "serving"),
    ("service",),
    ("expectations",),
    ("assembly", "alerts"),
    ("aftermath",),
    ("api", "online", "tables"),
    ("gate", "linting", "listener", "repairing", "calibrating"),
    ("provider",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
LAYER = {name: height for height, layer in enumerate(LAYERS) for name in layer}

# Beside the standard library. Feast and Redis stay in the adapters; what is above them sees only our own types.
FOREIGN = {
    "core": {"numpy", "pyarrow"},
    "statistics": {"numpy", "scipy"},
    "setting_values": {"pydantic"},
    "alert_settings": {"pydantic"},
    "alerts": {"apprise", "requests", "sqlalchemy"},
    "aftermath": {"sqlalchemy"},
    "config": {"pydantic", "yaml"},
    "embedded": {"redis"},
    "stores": {"click", "feast", "google", "mmh3", "numpy", "pandas", "pyarrow", "redis", "sqlalchemy", "typeguard"},
    "render": {"jinja2", "prometheus_client", "pyarrow"},
    "pushing": {"prometheus_client"},
    "measuring": {"numpy", "pyarrow"},
    "calibration": {"numpy", "pyarrow", "scipy", "yaml"},
    "judging": {"numpy", "pyarrow"},
    "history": {"alembic", "sqlalchemy"},
    "lint": {"mmh3"},
    "replay": {"numpy", "pyarrow"},
    "diagnosis": {"numpy", "pyarrow"},
    "engines": {"mmh3", "numpy", "py4j", "pyarrow", "pyspark"},
    "serving": {"numpy", "pyarrow"},
    "service": {"numpy", "pyarrow"},
    "expectations": {"great_expectations", "numpy", "pandas", "pyarrow"},
    "assembly": {"pyarrow"},
    "api": {"pyarrow"},
    "online": {"pyarrow"},
    "tables": {"numpy", "pandas", "pyarrow"},
    "repairing": {"numpy", "pyarrow"},
    "provider": {"click", "feast"},
    "demo": {"feast", "numpy", "pandas", "pyarrow", "redis"},
    "cli": {"click", "tqdm"},
}
HEAVY = (
    "jinja2",
    "feast",
    "great_expectations",
    "pandas",
    "pyarrow",
    "numpy",
    "scipy",
    "pydantic",
    "pyspark",
    "redis",
    "sqlalchemy",
    "tqdm",
    "prometheus_client",
)


@dataclass(frozen=True)
class Import:
    """One import statement: where it stands, what it names, and whether it runs when the module is loaded."""

    importer: str
    imported: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Give every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> tuple[Import, ...]:
    """Give every import of the package, except those that only a type checker follows."""
    return tuple(found for name, path in modules().items() for found in _of_module(name, path))


def part(module: str) -> str:
    """Give the part of the package that a module belongs to: its first component, or the package itself."""
    return ([*module.split("."), ""])[1] or PACKAGE


def is_own(module: str) -> bool:
    """Tell whether a dotted name lies in the package."""
    return module.partition(".")[0] == PACKAGE


def _of_module(name: str, path: Path) -> Iterator[Import]:
    for node, at_load in _statements(ast.parse(path.read_text()), at_load=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno, at_load)
        else:
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide which part is used"
            assert node.module is not None
            for alias in node.names:
                # `from a.b import c` may name the module a.b.c; only our own modules matter so finely.
                target = f"{node.module}.{alias.name}"
                yield Import(name, target if target in modules() else node.module, node.lineno, at_load)


def _statements(tree: ast.AST, *, at_load: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, at_load
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            for alternative in node.orelse:
                yield from _statements(alternative, at_load=at_load)
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _statements(node, at_load=at_load and not inside)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).split(".")[-1] == "TYPE_CHECKING"


def listed(found: list[Import]) -> str:
    return "\n".join(map(str, found))


def test_every_part_has_a_layer() -> None:
    """A new part is given its place here, on purpose."""
    assert {part(name) for name in modules()} <= set(LAYER)


def test_layers_are_used_downwards() -> None:
    """Imports inside functions count too: a layer must not reach up behind the back of the loader."""
    upward = [
        found
        for found in imports()
        if is_own(found.imported)
        and (source := part(found.importer)) != (target := part(found.imported))
        and LAYER[source] <= LAYER[target]
    ]
    assert not upward, listed(upward)


def test_foreign_libraries_stay_in_their_places() -> None:
    """Only the standard library is free to all."""
    strangers = [
        found
        for found in imports()
        if not is_own(found.imported)
        and (library := found.imported.split(".")[0]) not in sys.stdlib_module_names
        and library not in FOREIGN.get(part(found.importer), ())
    ]
    assert not strangers, listed(strangers)


def test_core_and_statistics_stand_alone() -> None:
    """The rules and the numbers can be read, tested and reused without any store."""
    outside = [
        found
        for found in imports()
        if part(found.importer) in ("core", "statistics")
        and is_own(found.imported)
        and part(found.imported) not in (part(found.importer), "core", "errors")
    ]
    assert not outside, listed(outside)


def test_what_rules_share_needs_no_rule() -> None:
    """Rules may build on one another, and on what stands beside their folder; that stays whole when a rule goes."""
    rules, beside = f"{PACKAGE}.diagnosis.rules", f"{PACKAGE}.diagnosis."
    reaching = [
        found
        for found in imports()
        if found.importer.startswith(beside)
        and not found.importer.startswith(rules)
        and found.imported.startswith(rules)
    ]
    assert not reaching, listed(reaching)


def test_no_module_needs_itself() -> None:
    """No cycle, not even one that an import inside a function would hide."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports():
        # A module inside a package runs the __init__ of the package first; those hold a docstring only.
        if is_own(found.imported) and found.imported != found.importer:
            graph[found.importer].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def in_fresh_interpreter(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["validate", "--help"],
        ["materialize", "--help"],
        ["repair", "--help"],
        ["demo", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_version_wait_for_nothing_heavy(arguments: list[str]) -> None:
    """Importing Feast alone takes seconds; to read the help must not."""
    loaded = in_fresh_interpreter(
        f"import sys\nsys.argv = ['feast-skew', *{arguments!r}]\n"
        "from feast_skew.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    assert loaded == "[]"


def test_core_and_statistics_load_neither_store() -> None:
    """What the source says is also what happens: loading them all brings in no store's library."""
    names = [name for name in modules() if part(name) in ("core", "statistics")]
    loaded = in_fresh_interpreter(
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(sorted({'feast', 'pandas', 'redis', 'pydantic', 'click'} & set(sys.modules)))"
    )
    assert loaded == "[]"
