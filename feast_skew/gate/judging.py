"""Whether a change may go through: its verdict from what was measured, and what to know of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from feast_skew.core.meaning import Meaning
from feast_skew.gate.changes import DELETED, NEW, Change, gains_inputs_only
from feast_skew.gate.proposal import Judged, Reach
from feast_skew.gate.sentences import all_moves
from feast_skew.report import FeatureResult, Finding, Verdict, worst

_ABSENT = ("offline_only", "absent_both")
_MOST = 3
_OVERLAYS = ("entities", "stale", "ahead", "expired")
KEEPS_NEWER = (
    "re-materializing will not overwrite Redis where timestamps stay as they are: it drops rows that are not newer than what it has, so "
    "delete the keys of the view first, give it another name, or set skip_dedup for one run"
)


def judge_view(
    change: Change,
    features: Sequence[FeatureResult],
    reach: Reach,
    *,
    findings: Sequence[Finding] = (),
    skipped: str = "",
    keeps_newer: bool = False,
    materialized: bool = False,
    known: Sequence[str] = (),
    selected: Collection[str] = (),
) -> Judged:
    """Judge a new, changed or deleted view by what was measured of it; `skipped` says why nothing was, `findings` are those of the view.

    Nothing that is served online yet is nothing that a change could break: then the change passes, with a note. `materialized` tells that
    the registry records that the view was written online. `known` are notes on how it was measured, `selected` the features that services
    select now, as `view:feature`.
    """
    notes: list[str] = [*known]
    if change.kind == DELETED:
        notes.append("goes: serving finds nothing of it any more, and models that read it get errors or nulls")
        return Judged(change, Verdict.WARN if reach.services else Verdict.PASS, notes=tuple(notes), reach=reach)
    if not _is_online(change.after) and not _is_online(change.before):
        notes.append("is offline only: nothing of it is served")
        return Judged(change, Verdict.PASS, notes=tuple(notes), reach=reach)
    if change.before is not None and _is_online(change.before) and not _is_online(change.after):
        notes.append("is not online any more: what was written stays in the store and is served no longer")
        return Judged(change, Verdict.WARN, notes=tuple(notes), reach=reach)
    if skipped:
        notes.append(f"cannot be measured: {skipped}")
        verdict = Verdict.PASS if change.kind == NEW else Verdict.INCONCLUSIVE
        if gains_inputs_only(change):
            notes.append("only gets more columns of its sources to see; its code is the same")
            verdict = Verdict.WARN
        return Judged(change, verdict, notes=tuple(notes), reach=reach)
    if not any(map(_served, features)):
        if change.kind != NEW and (materialized or _streams_by_other_keys(change)):
            return _lost(change, features, reach)
        is_new = change.kind == NEW
        notes.append(
            "is new: nothing of it is served yet" if is_new else "nothing of it is served yet, so nothing can be wrong"
        )
        errors = [f for f in features if f.verdict is Verdict.ERROR]
        if not errors:
            return Judged(change, Verdict.PASS, notes=tuple(notes), reach=reach)
        notes.append(f"cannot be measured: {(*errors[0].reasons, 'a store could not be read')[0]}")
        verdict = Verdict.WARN if is_new else Verdict.ERROR
        return Judged(change, verdict, notes=tuple(notes[not is_new :]), reach=reach, features=tuple(features))
    judged = _measured(change, features, reach, findings, keeps_newer=keeps_newer)
    warned, said = _of_features(change, selected)
    verdict = worst([judged.verdict, Verdict.WARN]) if warned else judged.verdict
    return replace(judged, verdict=verdict, notes=(*notes, *said, *judged.notes))


def _measured(
    change: Change, features: Sequence[FeatureResult], reach: Reach, findings: Sequence[Finding], *, keeps_newer: bool
) -> Judged:
    """Judge a view of which something is served by how that differs from what the definition gives."""
    notes: list[str] = []
    if change.kind == NEW:
        notes.append(
            "is new to the registry, and the online store holds rows under its name: it was deleted or applied elsewhere before"
        )
    known = [feature.feature for feature in features if _fails_already(feature)]
    if known:
        notes.append(f"differs by the present definition just as much, so not by this change: {', '.join(known)}")
    failed = [finding for finding in findings if finding.severity == "fail"]
    told = [*failed, *(finding for finding in findings if finding.severity == "warn")]
    notes += [f"{finding.code}: {finding.detail}" for finding in told[:_MOST]]
    if len(told) > _MOST:
        notes.append(f"and {len(told) - _MOST} more findings, in the JSON")
    unseen = _not_measured(change)
    notes += unseen
    verdicts = [feature.verdict for feature in features]
    verdicts += [Verdict.FAIL for _ in failed] + [Verdict.WARN for _ in (*told, *unseen)]
    verdict = worst(verdicts)
    if verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
        notes += _why(features, verdict, "cannot be decided")
    if verdict is Verdict.FAIL and keeps_newer:
        notes.append(KEEPS_NEWER)
    ttl_changed = any(part.part == "ttl" for part in change.parts)
    said = all_moves(features, ttl_changed=ttl_changed)
    if verdict is Verdict.WARN:
        notes += _why([one for one in features if not _fails_already(one)], verdict, "to know")
    return Judged(change, verdict, said, tuple(notes), reach, tuple(features), tuple(findings))


def _streams_by_other_keys(change: Change) -> bool:
    """Tell whether a stream writes the view, of which no registry records when, and its keys change."""
    return (
        change.before is not None
        and "stream" in change.before.parts
        and any(part.part == "keys" for part in change.parts)
    )


def _lost(change: Change, features: Sequence[FeatureResult], reach: Reach) -> Judged:
    """Judge a view that was written online, of which nothing is found by the new definition."""
    keys = [part for part in change.parts if part.part == "keys"]
    if keys:
        move = f"this change takes the keys away that rows were written under ({'; '.join(map(str, keys))}): serving finds none of them"
        note = "materialize the view again right after the apply; until then every feature of it is null"
        return Judged(change, Verdict.FAIL, (move,), (note,), reach, tuple(features))
    note = "cannot be measured: the registry says that it was materialized, and the online store holds nothing of it"
    return Judged(change, Verdict.INCONCLUSIVE, notes=(note,), reach=reach, features=tuple(features))


def judge_service(change: Change, reach: Reach) -> Judged:
    """Judge a feature service: what it selects is the same for training and serving, but not for models trained before."""
    if change.kind == NEW:
        return Judged(change, Verdict.PASS, notes=("is new",), reach=reach)
    note = (
        "goes: models that ask for it get errors"
        if change.kind == DELETED
        else ("models that were trained with the service as it was are served by it as it will be")
    )
    return Judged(change, Verdict.WARN, notes=(note,), reach=reach)


def _is_online(meaning: Meaning | None) -> bool:
    """Tell whether a view is served; on-demand views always are."""
    if meaning is None:
        return False
    serving = meaning.parts.get("serving") or {}
    return bool(serving.get("online", True))


def _fails_already(feature: FeatureResult) -> bool:
    """Tell whether a feature fails by the present definition as it would by the new one."""
    known = feature.known
    return known is not None and known.accepted and known.verdict == Verdict.FAIL.value


def _why(features: Sequence[FeatureResult], verdict: Verdict, what: str) -> list[str]:
    """Say why features have a verdict, once for those with the same reason."""
    reasons: dict[str, list[str]] = {}
    for feature in features:
        if feature.verdict is verdict and feature.reasons:
            reasons.setdefault(feature.reasons[0], []).append(feature.feature)
    return [f"{what} for {', '.join(names)}: {reason}" for reason, names in list(reasons.items())[:_MOST]]


def _served(feature: FeatureResult) -> bool:
    """Tell whether the online store holds anything of a feature's entities."""
    return any(count for name, count in feature.counts.items() if name not in (*_ABSENT, *_OVERLAYS))


def _not_measured(change: Change) -> list[str]:
    """Say what of a change no store shows: what a stream brings from now on."""
    if change.kind == NEW or not any(part.part == "stream" for part in change.parts):
        return []
    return [
        "the stream itself was not measured, only the batch source of the view: what it writes from now on may differ"
    ]


def _of_features(change: Change, selected: Collection[str]) -> tuple[bool, list[str]]:
    """Say which features are added or dropped of a view that is served, and whether somebody is to know."""
    before = dict(change.before.parts.get("features", {})) if change.before else {}
    after = dict(change.after.parts.get("features", {})) if change.after else {}
    notes = []
    added, gone = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    if before and added:
        notes.append(
            f"adds {', '.join(added)}: null online until rows that are newer than the stored ones are materialized, while training has values"
        )
    if after and gone:
        notes.append(f"drops {', '.join(gone)}: serving finds nothing of it any more")
    asked = [name for name in gone if f"{change.name}:{name}" in selected]
    return bool(before and added) or bool(after and asked), notes
