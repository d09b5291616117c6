"""A task's outcomes become a ranking with its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shortlist.errors import ScoreError
from shortlist.scorers.report import empty_notes
from shortlist.server.scheduling.work import PairFailure, PairScore, Task
from shortlist.types import QUERY_CUT, Ranking, Step, Truncation


def ranking_of(
    candidates: Ranking, task: Task, *, top_k: int | None, now_ms: float, cut: Sequence[Truncation] = ()
) -> Ranking:
    """Order the candidates by what a task has so far; those without a score follow in their order.

    `cut` is what was cut before scoring. Raises the first failure when no document could be scored.
    """
    scored = [place for place, outcome in enumerate(task.outcomes) if isinstance(outcome, PairScore)]
    failures = {place: one.error for place, one in enumerate(task.outcomes) if isinstance(one, PairFailure)}
    if failures and not scored and len(failures) == len(task.outcomes):
        raise next(iter(failures.values()))
    scores = [outcome for outcome in task.outcomes if isinstance(outcome, PairScore)]
    if len({score.kind for score in scores}) > 1:
        raise ScoreError("one model gave scores of several kinds; they cannot be compared")
    steps = (_queue_step(task), _scoring_step(candidates, task, failures, now_ms, cut))
    if not scores:
        return candidates.partly_reordered((), kind=candidates.score_kind, stage=candidates.stage, steps=steps).head(
            top_k
        )
    return candidates.partly_reordered(
        [score.value for score in scores],
        kind=scores[0].kind,
        stage=steps[1].stage,
        top_k=top_k,
        steps=steps,
        places=scored,
    )


def _queue_step(task: Task) -> Step:
    notes = tuple(
        f"{count} pairs {what}"
        for count, what in ((task.cached, "were scored before"), (task.shared, "were scored for another request too"))
        if count
    )
    counts = {"pairs": len(task.documents), "cached": task.cached, "shared": task.shared}
    return Step("queue", task.queued_ms, counts, {}, notes)


def _scoring_step(
    candidates: Ranking, task: Task, failures: dict[int, Exception], now_ms: float, cut: Sequence[Truncation]
) -> Step:
    joined = _joined(task)
    total, scored = len(task.outcomes), sum(isinstance(one, PairScore) for one in task.outcomes)
    # of all documents, also of those that no batch of this request read
    notes = [
        *empty_notes(candidates.documents),
        *(one for one in joined.degradations if not one.endswith(" are empty")),
    ]
    truncations = _truncations(candidates, task, joined, cut)
    said = {one.doc_id for one in joined.truncations}
    if unsaid := [one for one in truncations if one.doc_id not in said]:
        notes.append(f"{len(unsaid)}{' more' if said else ''} texts were cut")
    if known := joined.counts.get("cached"):
        notes.append(f"{known} pairs were scored before")
    if failures:
        place, error = next(iter(failures.items()))
        first = candidates[place].doc_id
        notes.append(f"{len(failures)} of {total} documents have no score; the first is {first}: {error}")
    if scored + len(failures) < total:
        why = "cancelled" if task.deadline is None else f"budget of {task.deadline.budget_ms:g} ms"
        notes.append(f"{why}: {scored} of {total} candidates were scored, the others keep their order")
    return replace(
        joined,
        latency_ms=max(0.0, now_ms - task.began_ms - task.queued_ms),
        counts={**joined.counts, "documents": total, "scored": scored, "tokens": task.tokens},
        degradations=tuple(notes),
        truncations=truncations,
    )


def _truncations(candidates: Ranking, task: Task, joined: Step, cut: Sequence[Truncation]) -> tuple[Truncation, ...]:
    """Merge what was cut before, in this request's batches, and when a pair was scored for another one."""
    found = {one.doc_id: one for one in reversed(joined.truncations)}
    scores = [outcome for outcome in task.outcomes if isinstance(outcome, PairScore)]
    query_cut = next((score.query_cut for score in scores if score.query_cut is not None), None)
    if query_cut is not None:
        found.setdefault(QUERY_CUT, Truncation(QUERY_CUT, *query_cut))
    for item, outcome in zip(candidates, task.outcomes, strict=True):
        if isinstance(outcome, PairScore) and outcome.seen is not None and outcome.total is not None:
            found.setdefault(item.doc_id, Truncation(item.doc_id, outcome.seen, outcome.total))
    for one in cut:
        seen = min(one.seen, found[one.doc_id].seen) if one.doc_id in found else one.seen
        found[one.doc_id] = Truncation(one.doc_id, seen, one.total)
    return tuple(found.values())


def _joined(task: Task) -> Step:
    """One step of all batches; how long it took, and what it read, are the task's to say, but not what was known."""
    if not task.steps:
        return Step("cached" if task.cached else "scoring")
    joined = Step.joined(task.steps)
    known = {name: count for name, count in joined.counts.items() if name.startswith("cached")}
    return replace(joined, counts={"batches": len(task.steps), **known})
