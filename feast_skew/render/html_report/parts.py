"""What pages are made of: templates that escape, one style, and a policy by which the browser runs nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from feast_skew.render.html_report import text
from feast_skew.report import Verdict

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = files("feast_skew.render.html_report")
_MARKS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.FAIL: "✕",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "✕",
}


@cache
def environment(package: str) -> Environment:
    """Give the templates of a package, with the filters that make names and numbers harmless and readable."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        visible=text.visible,
        name=lambda content: text.visible(content, text.NAME),
        value=text.value,
        share=text.share,
        number=text.number,
        mark=lambda verdict: _MARKS[Verdict(verdict)],
    )
    return made


def policy(scripts: list[str], style: str) -> str:
    """Allow these scripts and this style, and nothing else; only what the template wrote is ever turned into markup."""
    allowed = " ".join(_hash(script) for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types own"
    )


@cache
def style() -> str:
    """Give the style of all pages: light, dark and printed."""
    return read("static", "page.css")


def read(folder: str, name: str) -> str:
    """Read a file that comes with the pages."""
    return (_HERE / folder / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
