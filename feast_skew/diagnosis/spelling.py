"""Ways to write the same text differently, by name."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

Change = Callable[[str], str]
Fits = Callable[[str, str], bool]


@dataclass(frozen=True)
class Spelling:
    """A way in which two texts differ, by name.

    `side` is the side that is written so (`online` or `offline`), or `both` when neither is the other one's source; `text` is what is
    added, where the name alone does not say it; `fits` tells of an offline and an online text whether they differ
    so.
    """

    name: str
    side: str
    text: str | None
    fits: Fits


def _mojibake(encoding: str) -> Change:
    return lambda text: text.encode("utf-8").decode(encoding)


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(char for char in apart if unicodedata.category(char) != "Mn"))


def _separated_by(mark: str) -> Change:
    return lambda text: re.sub(r"[\s_\-.]+", mark, text)


def _digest(name: str) -> Change:
    return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _as_double(text: str) -> str:
    return str(float(int(text)))


_TRUTHS = {"true": "1", "false": "0", "t": "1", "f": "0", "yes": "1", "no": "0", "y": "1", "n": "0"}

# Of those that fit equally well the first one is named. These change no letter but for its case, and no digit.
_SAME_LETTERS: dict[str, Change] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "capitalized": str.capitalize,
    "title case": str.title,
    "case folded": str.casefold,
    "letter case swapped": str.swapcase,
    "white space stripped": str.strip,
    "white space collapsed": lambda text: " ".join(text.split()),
    "white space removed": lambda text: "".join(text.split()),
    "double quotes added": lambda text: f'"{text}"',
    "single quotes added": lambda text: f"'{text}'",
    "words joined by _": _separated_by("_"),
    "words joined by -": _separated_by("-"),
    "words joined by a space": _separated_by(" "),
    "separators removed": _separated_by(""),
    "lower case, words joined by _": lambda text: _separated_by("_")(text.lower()),
    "lower case, words joined by -": lambda text: _separated_by("-")(text.lower()),
    "upper case, words joined by _": lambda text: _separated_by("_")(text.upper()),
    "white space stripped, lower case": lambda text: text.strip().lower(),
    "white space stripped, upper case": lambda text: text.strip().upper(),
}
_BEYOND_ASCII: dict[str, Change] = {
    "Unicode NFC": lambda text: unicodedata.normalize("NFC", text),
    "Unicode NFD": lambda text: unicodedata.normalize("NFD", text),
    "Unicode NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "accents removed": _without_accents,
    "accents removed, lower case": lambda text: _without_accents(text).lower(),
    "accents removed, upper case": lambda text: _without_accents(text).upper(),
    "other than ASCII left out": lambda text: text.encode("ascii", "ignore").decode(),
    "other than ASCII as ?": lambda text: text.encode("ascii", "replace").decode(),
    "UTF-8 read as Latin-1": _mojibake("latin-1"),
    "UTF-8 read as Windows-1252": _mojibake("cp1252"),
}
_OTHER: dict[str, Change] = {
    "leading zeros removed": lambda text: text.lstrip("0") or "0",
    "whole numbers as decimals": _as_double,
    "truth as 0 and 1": lambda text: _TRUTHS[text.lower()],
    "HTML escaped": html.escape,
    "URL quoted": quote,
    "URL quoted, + for spaces": quote_plus,
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "MD5": _digest("md5"),
    "SHA-1": _digest("sha1"),
    "SHA-256": _digest("sha256"),
}
_CHANGES = {**_SAME_LETTERS, **_BEYOND_ASCII, **_OTHER}

_ALIKE: dict[str, Change] = {
    "letter case": str.casefold,
    "white space": lambda text: "".join(text.split()),
    "letter case and white space": lambda text: "".join(text.casefold().split()),
    "Unicode compatibility": lambda text: unicodedata.normalize("NFKC", text),
    "letter case, accents, white space and punctuation": lambda text: re.sub(
        r"[\W_]+", "", _without_accents(unicodedata.normalize("NFKC", text)).casefold()
    ),
}
_PREFIX, _SUFFIX = "prefix added", "suffix added"
_SIDES = ("online", "offline")
_NO_LETTERS = dict.fromkeys(map(ord, " \t\r\n\v\f\u00a0_-.'\""))
_TRIED = 50


def spelling(name: str, side: str, text: str | None = None) -> Spelling:
    """Give a spelling by its name, its side, and the text that goes with it.

    Raises
    ------
    KeyError
        When there is none of that name.
    """
    if side not in _SIDES:
        key = _ALIKE[name]
        return Spelling(name, side, None, lambda off, on: key(off) == key(on) != "")
    change = _change(name, text or "")

    def fits(off: str, on: str) -> bool:
        given, expected = (off, on) if side == "online" else (on, off)
        try:
            return change(given) == expected
        except (ValueError, KeyError):  # no text that this can be done to
            return False

    return Spelling(name, side, text, fits)


def _change(name: str, text: str) -> Change:
    if name == _PREFIX:
        return lambda given: text + given
    if name == _SUFFIX:
        return lambda given: given + text
    return _CHANGES[name]


def find_spelling(pairs: Sequence[tuple[str, str]]) -> Spelling | None:
    """Give the spelling that explains most of some pairs of different texts; None when none explains any.

    Most is tried on few of them: on those that have the same letters, and on some others.
    """
    alike = [pair for pair in pairs if _letters(pair[0]) == _letters(pair[1])][:_TRIED]
    tried = [*alike, *pairs[:: max(1, len(pairs) // _TRIED)]]
    found, most = None, 0.0
    for one in (*_named(tried, alike=bool(alike)), *_affixes(tried)):
        hits = sum(one.fits(off, on) for off, on in tried)
        # What is alike but for something is less than what is exactly said.
        if hits > most * (1.0 if one.side in _SIDES else 1.02):
            found, most = one, hits
    return found


def _letters(text: str) -> str:
    return text.casefold().translate(_NO_LETTERS)


def _named(pairs: Sequence[tuple[str, str]], *, alike: bool) -> list[Spelling]:
    names = [*_SAME_LETTERS] if alike else []
    plain = all(off.isascii() and on.isascii() for off, on in pairs)
    names += _OTHER if plain else [*_BEYOND_ASCII, *_OTHER]
    but_for = _ALIKE if alike or not plain else {}
    return [spelling(name, side) for side in _SIDES for name in names] + [spelling(name, "both") for name in but_for]


def _affixes(pairs: Sequence[tuple[str, str]]) -> list[Spelling]:
    """Give the most frequent texts in front of and behind the shorter text of a pair, as spellings."""
    tries = []
    for side, given in zip(_SIDES, (pairs, [(on, off) for off, on in pairs]), strict=True):
        fronts = Counter(b[: -len(a)] for a, b in given if a and b != a and b.endswith(a))
        backs = Counter(b[len(a) :] for a, b in given if a and b != a and b.startswith(a))
        for name, counted in ((_PREFIX, fronts), (_SUFFIX, backs)):
            tries += [spelling(name, side, text) for text, _ in counted.most_common(1)]
    return tries
