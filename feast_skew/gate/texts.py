"""A plan as text for a terminal, as JSON, and as Markdown for a pull request."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Mapping

from feast_skew.gate.changes import CHANGED, DELETED, NEW
from feast_skew.gate.proposal import Judged, Proposal
from feast_skew.render.escaping import code, plain
from feast_skew.render.harmless import harmless_json, harmless_text
from feast_skew.render.terminal import COLOURS
from feast_skew.render.wording import clean, one_line, short
from feast_skew.report import Verdict

_MOST_PARTS = 12
_LONGEST = 200
_MOST_NAMES = 5
_WORDS = {NEW: "new", CHANGED: "changes meaning", DELETED: "deleted"}


def render_text(proposal: Proposal, *, colour: bool = False, width: int = 100) -> str:
    """Give a plan for a terminal of that width: what it comes to first, then each change with its reasons."""

    def paint(verdict: Verdict, text: str) -> str:
        return f"\x1b[{COLOURS[verdict]}m{text}\x1b[0m" if colour else text

    lines = [f"{paint(proposal.verdict, headline(proposal))}"]
    for judged in _ordered(proposal):
        mark = "refused" if judged.refused else "approved" if judged.approval else judged.verdict.value
        head = f"{_kind(judged)} {short(judged.change.name)} {_WORDS[judged.change.kind]}"
        lines += ["", f"{paint(judged.verdict, f'{mark:<9}')} {head}"]
        for text in _body(judged):
            lines += textwrap.wrap(
                clean(text), width, initial_indent=" " * 10, subsequent_indent=" " * 12, break_long_words=False
            )
    if any(judged.refused for judged in proposal.changes):
        says, command = next_step(proposal)
        # The command stands alone and whole, to be copied.
        text = clean(f"refused: {refused_names(proposal)}; {says}")
        lines += ["", *textwrap.wrap(text, width, subsequent_indent="  "), f"  {clean(command)}"]
    return harmless_text(lines)


def render_json(proposal: Proposal) -> str:
    """Give a plan as JSON."""
    return harmless_json(proposal.to_dict(), default=str)


def render_markdown(proposal: Proposal) -> str:
    """Give a plan as a comment on a pull request: a table of the changes, and the reasons of each."""
    lines = [f"### feast-skew plan: {plain(headline(proposal))}", ""]
    if proposal.changes:
        lines += ["| | what | change | verdict | services | owners |", "|---|---|---|---|---|---|"]
        for judged in _ordered(proposal):
            mark = "refused" if judged.refused else "approved" if judged.approval else judged.verdict.value
            cells = (
                _kind(judged),
                code(short(judged.change.name)),
                _WORDS[judged.change.kind],
                mark,
                plain(", ".join(judged.reach.services)) or "-",
                plain(", ".join(judged.reach.owners)) or "-",
            )
            lines.append(f"| {' | '.join(cells)} |")
        for judged in _ordered(proposal):
            lines += ["", f"**{code(short(judged.change.name))}**", ""]
            lines += [f"- {plain(text)}" for text in _body(judged)]
    if any(judged.refused for judged in proposal.changes):
        says, command = next_step(proposal)
        lines += ["", f"{plain(f'refused: {refused_names(proposal)}; {says}')} {code(command)}"]
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Proposal], str]] = {
    "text": render_text,
    "json": render_json,
    "markdown": render_markdown,
}


def headline(proposal: Proposal) -> str:
    """Say what a plan comes to in one line."""
    changed = [judged for judged in proposal.changes if judged.change.kind == CHANGED]
    if not proposal.changes:
        return f"{proposal.project}: nothing changes meaning ({proposal.views} views)"
    refused = [judged for judged in proposal.changes if judged.refused]
    counts = [(len(changed), "change meaning", "changes meaning")]
    counts += [
        (sum(j.change.kind == kind for j in proposal.changes), word, word)
        for kind, word in ((NEW, "new"), (DELETED, "deleted"))
    ]
    text = ", ".join(f"{count} {one if count == 1 else many}" for count, many, one in counts if count)
    return f"{proposal.project}: {text}; " + (f"{len(refused)} refused" if refused else "none refused")


def _ordered(proposal: Proposal) -> list[Judged]:
    kinds = (CHANGED, NEW, DELETED)
    return sorted(proposal.changes, key=lambda one: (not one.refused, kinds.index(one.change.kind), one.change.name))


def _kind(judged: Judged) -> str:
    return "service" if judged.change.is_service else "view"


def _body(judged: Judged) -> list[str]:
    lines = [_shortened(str(part)) for part in judged.change.parts[:_MOST_PARTS]]
    if len(judged.change.parts) > _MOST_PARTS:
        lines.append(f"and {len(judged.change.parts) - _MOST_PARTS} more changes")
    lines += [f"=> {text}" for text in judged.moves]
    if _agrees(judged):
        lines.append(f"=> what is served agrees with it ({_entities(judged)} entities)")
    lines += judged.notes
    reach = judged.reach
    if judged.verdict is not Verdict.PASS:
        reached = (("services", reach.services), ("models", reach.models), ("owners", reach.owners))
        lines += [f"reaches {name}: {', '.join(names)}" for name, names in reached if names]
    if judged.approval is not None:
        lines.append(f"approved by {judged.approval.by} on {judged.approval.at[:10]}: {judged.approval.reason}")
    return lines


def _agrees(judged: Judged) -> bool:
    """Tell whether every feature was compared row by row, and agrees."""
    compared = [
        feature for feature in judged.features if feature.counts.get("match") or feature.counts.get("null_both")
    ]
    fine = all(
        feature.verdict in (Verdict.PASS, Verdict.WARN)
        and (feature.known is None or not feature.known.accepted)
        and "unaligned_difference" not in feature.metrics
        for feature in judged.features
    )
    return bool(compared) and fine and not judged.moves


def _entities(judged: Judged) -> str:
    return f"{max(feature.counts.get('entities', 0) for feature in judged.features):,}"


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def refused_names(proposal: Proposal) -> str:
    """Name the changes that are refused, the first few of many."""
    names = [short(judged.change.name) for judged in proposal.changes if judged.refused]
    return ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else "")


def next_step(proposal: Proposal, command: str = "apply") -> tuple[str, str]:
    """Say what to do about the changes that are refused, and give the command that lets them through."""
    names = [judged.change.name for judged in proposal.changes if judged.refused]
    views = " ".join(f"--approve {shlex.quote(name)}" for name in names[:_MOST_NAMES])
    more = ", and an --approve for each of the others," if names[_MOST_NAMES:] else ""
    one, it = ("definitions", "them") if names[1:] else ("definition", "it")
    return f"correct the {one}, or let {it} through with{more}", f'feast-skew {command} {views} --reason "..."'


def refusal(proposal: Proposal) -> str:
    """Say in one line what is refused, and what to do."""
    return one_line(f"refused: {refused_names(proposal)}; {' '.join(next_step(proposal))}")
