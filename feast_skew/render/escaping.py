"""Texts that Markdown takes literally, whatever names and values they hold."""

from __future__ import annotations

import re

from feast_skew.render.wording import one_line

# What would end a cell, start markup or a tag, mention a person, refer to an issue or begin a command of a log. An underscore inside a word does nothing.
_MARKUP = re.compile(r"[\\`*{}\[\]<>&|~#@$!]|:(?=:)|(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    """Give a text as one line that Markdown takes literally."""
    return _MARKUP.sub(lambda found: f"&#{ord(found.group())};", one_line(text))


def code(text: str) -> str:
    """Give a name as code; no character of it ends that, as a backtick would between backticks."""
    return f"<code>{plain(text)}</code>"
