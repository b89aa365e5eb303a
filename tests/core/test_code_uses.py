"""What a function uses from outside is named, told whole, and the same in every process."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feast_skew.core.code_meaning import code_digest, function_in, is_code_of
from feast_skew.core.code_uses import uses_of

Make = Callable[..., Any]
_MODULES = ("helpers", "more", "pack", "pack.inner", "defs")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write modules of a repository, and import the one with the function `f` from there."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(**texts: str) -> Any:
        for name in _MODULES:
            sys.modules.pop(name, None)
        for name, text in texts.items():
            file = tmp_path / f"{name.replace('__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(text))
        import importlib

        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module("defs").f

    yield made
    for name in _MODULES:
        sys.modules.pop(name, None)


IN_BODY = "def f(x):\n    from helpers import RATE, tax\n    return tax(x) * RATE\n"
HELPERS = "LIMIT = 5\nRATE = 1.1\ndef tax(x):\n    return min(x, LIMIT)\n"


def test_what_is_imported_in_the_body(make: Make) -> None:
    before = uses_of(make(defs=IN_BODY, helpers=HELPERS))
    assert before["RATE of helpers"] == "1.1"
    assert before["LIMIT of tax of helpers"] == "5"
    after = uses_of(make(defs=IN_BODY, helpers=HELPERS.replace("1.1", "7.7")))
    assert {**after, "RATE of helpers": "1.1"} == before
    code = uses_of(make(defs=IN_BODY, helpers=HELPERS.replace("min(", "max(")))
    assert {name for name in before if before[name] != code[name]} == {"tax of helpers"}
    deep = uses_of(make(defs=IN_BODY, helpers=HELPERS.replace("LIMIT = 5", "LIMIT = 6")))
    assert deep["LIMIT of tax of helpers"] == "6"


@pytest.mark.parametrize(
    "body",
    ["import helpers\n    return helpers.RATE", "import helpers as h\n    return h.RATE",
     "import helpers\n    return [helpers.RATE for _ in x]", "import helpers\n    return getattr(helpers, 'RATE')"],
)  # fmt: skip
def test_a_module_imported_in_the_body(make: Make, body: str) -> None:
    found = uses_of(make(defs=f"def f(x):\n    {body}\n", helpers=HELPERS))
    assert found == {"RATE of helpers": "1.1"}


def test_modules_of_packages(make: Make, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    text = "def f(x):\n    import pack.inner\n    from pack import inner\n    from pack.inner import B\n    return pack.inner.A + inner.A + B\n"
    found = uses_of(make(defs=text, pack__inner="A = 1\nB = 2\n"))
    assert found["A of inner of pack"] == "1"
    assert found["B of pack.inner"] == "2"


def test_two_that_use_one_module(make: Make) -> None:
    text = "import helpers\ndef g(x):\n    return helpers.LIMIT\ndef f(x):\n    return g(x) + helpers.RATE\n"
    assert {"1.1", "5"} <= set(uses_of(make(defs=text, helpers=HELPERS)).values())


def test_installed_modules_are_none_of_it(make: Make) -> None:
    text = "def f(x):\n    import json\n    import numpy as np\n    import nowhere_at_all\n    return json.dumps(np.mean(x))\n"
    assert uses_of(make(defs=text)) == {}
    assert uses_of(make(defs="import numpy as np\ndef f(x):\n    return np.mean(x)\n")) == {"np": "numpy"}


def test_modules_that_import_one_another_come_to_an_end(make: Make) -> None:
    text = "def f(x):\n    import more\n    return more.g(x)\n"
    more = "def g(x):\n    from defs import f\n    return f(x) if x else 1\n"
    assert set(uses_of(make(defs=text, more=more))) == {"g of more", "f of defs"}


OBJECTS = """
    from dataclasses import dataclass, field
    from datetime import timedelta
    import functools
    import numpy as np

    @dataclass
    class Limits:
        low: float = 0.5
        names: list = field(default_factory=lambda: ["a", "b"])
        def clip(self, x):
            return max(x, self.low)
        @staticmethod
        def half(x):
            return x / 2
        @property
        def top(self):
            return 9

    class Scale:
        FACTOR = 3
        __slots__ = ("by",)
        def __init__(self):
            self.by = 4
        def __call__(self, x):
            return x * self.FACTOR

    LIMITS, SCALE = Limits(), Scale()
    WAIT, WEIGHTS = timedelta(days=1), np.array([1.5, 2.5])
    TABLE = {"b": lambda x: x + 21, "a": {1, 2, 3}}
    ADDS = functools.partial(max, 11)
    @functools.lru_cache
    def kept(x):
        return x + 31
    def f(x):
        return SCALE(LIMITS.clip(x)) + Limits.half(x) + WAIT.days + WEIGHTS[0] + TABLE["b"](x) + ADDS(x) + kept(x)
"""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("low: float = 0.5", "low: float = 0.6", "low of LIMITS"),
        ('["a", "b"]', '["a", "c"]', "names of LIMITS"),
        ("max(x, self.low)", "min(x, self.low)", "clip of Limits"),
        ("x / 2", "x / 3", "half of Limits"),
        ("return 9", "return 8", "get of top of Limits"),
        ("FACTOR = 3", "FACTOR = 4", "FACTOR of class of SCALE"),
        ("self.by = 4", "self.by = 5", "by of SCALE"),
        ("x * self.FACTOR", "x + self.FACTOR", "__call__ of class of SCALE"),
        ("days=1", "days=2", "WAIT"),
        ("2.5", "2.6", "WEIGHTS"),
        ("x + 21", "x + 22", "'b' of TABLE"),
        ("{1, 2, 3}", "{1, 2, 4}", "'a' of TABLE"),
        ("max, 11", "max, 12", "arguments of ADDS"),
        ("x + 31", "x + 32", "kept"),
    ],
)
def test_objects_and_classes_are_looked_into(make: Make, old: str, new: str, named: str) -> None:
    before = uses_of(make(defs=OBJECTS))
    assert old in OBJECTS
    after = uses_of(make(defs=OBJECTS.replace(old, new)))
    assert named in {name for name in {*before, *after} if before.get(name) != after.get(name)}


PROBE = "import sys; sys.path.insert(0, {path!r}); sys.dont_write_bytecode = True\nfrom defs import f\nfrom feast_skew.core.code_uses import uses_of\nprint(sorted(uses_of(f).items()))"


def test_the_same_in_every_process_and_file(make: Make, tmp_path: Path) -> None:
    make(defs=OBJECTS)
    root = str(Path(__file__).parents[2])
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "defs.py").write_text("from elsewhere import f\n")
    (moved / "elsewhere.py").write_text("# moved\n\n\n" + textwrap.dedent(OBJECTS))
    told = set()
    for path, seed in ((tmp_path, "1"), (tmp_path, "2"), (moved, "3")):
        code = PROBE.format(path=str(path))
        environment = {"PYTHONPATH": root, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        told.add(done.stdout)
    assert len(told) == 1
    assert "0x" not in told.pop()


def test_comments_and_layout_of_a_helper_change_nothing(make: Make) -> None:
    before = uses_of(make(defs=IN_BODY, helpers=HELPERS))
    after = HELPERS.replace(
        "    return min(x, LIMIT)", '    """Say what."""\n    # Why.\n    return min(\n        x, LIMIT\n    )'
    )
    assert uses_of(make(defs=IN_BODY, helpers=after)) == before


def test_long_values_and_secrets_are_digests(make: Make) -> None:
    text = "TABLE = list(range(100))\nAPI_KEY = 'abc'\ndef f(x):\n    return TABLE, API_KEY\n"
    found = uses_of(make(defs=text))
    assert all(len(value) == 32 for value in found.values())


def test_other_code_in_the_place_of_the_function(make: Make) -> None:
    f = make(defs="f = lambda x: x\n", helpers=HELPERS)
    assert uses_of(f, function_in("def g(x):\n    from helpers import RATE\n    return RATE\n")) == {
        "RATE of helpers": "1.1"
    }


def test_a_text_and_its_function(make: Make) -> None:
    text = "def f(x):\n    '''Doc.'''\n    return [row['a'] for row in x]\n"
    f = make(defs=text)
    assert is_code_of(f, "@decorated(1)\n" + text)
    assert is_code_of(f, text.replace("    '''Doc.'''\n", ""))
    assert not is_code_of(f, text.replace("'a'", "'b'"))
    assert not is_code_of(f, "lambda x: x")
    assert not is_code_of(functools.partial(f), text)
    assert code_digest(f) != code_digest(make(defs=text.replace("'a'", "'b'")))
    assert code_digest(None, "RATE = 1\n" + text) != code_digest(None, "RATE = 2\n" + text)


def test_what_is_used_has_a_bound(make: Make) -> None:
    text = "TABLE = {i: (lambda x: x) for i in range(20_000)}\ndef f(x):\n    return TABLE[x]\n"
    assert len(uses_of(make(defs=text))) <= 5_000
