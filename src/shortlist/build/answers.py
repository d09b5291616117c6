"""A request becomes a study of answers: systems, gold answers, generator, judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shortlist import __version__
from shortlist.build.collections import Filling, answers_of
from shortlist.build.evaluation import opened
from shortlist.build.models import load_model
from shortlist.errors import InputError
from shortlist.evaluation.answers.desk import Desk
from shortlist.evaluation.answers.squad import contains
from shortlist.evaluation.answers.study import AnswerStudy, Plan, Watch, study_answers
from shortlist.evaluation.answers.words import WordsJudge
from shortlist.evaluation.collection import Collection
from shortlist.evaluation.experiment import about
from shortlist.evaluation.provenance import provenance
from shortlist.evaluation.request import Request
from shortlist.evaluation.systems import System, answer
from shortlist.generation.support import GeneratorJudge, Judge, ScorerJudge, Statement
from shortlist.protocols import Generator

JUDGES = ("cross-encoder", "words", "generator", "none")
JUDGING_MODEL = "shortlist-minilm-l6"

_STATEMENTS = 100


@dataclass(frozen=True, slots=True)
class Asking:
    """Beside the request: how many passages, the generator, and the judge, which is one of JUDGES.

    Every reply is written to `replies_file` as it comes, if one is named; those that it holds are not asked for again.
    """

    plan: Plan
    generator: Generator | None = None
    judge: str = "cross-encoder"
    judging_model: str = JUDGING_MODEL
    answers_file: str = ""
    replies_file: str = ""


def study_request(
    request: Request,
    asking: Asking,
    *,
    command: str = "",
    watch: Watch | None = None,
    filling: Filling | None = None,
) -> AnswerStudy:
    """Read the collection with its gold answers, load every system, let the generator answer, measure.

    Queries without a gold answer are left out. Raises InputError for what cannot be used.
    """
    if asking.judge not in JUDGES:
        raise InputError(f"a judge is one of {', '.join(JUDGES)}; got {asking.judge!r}")
    with opened(request, filling=filling) as ready:
        gold = answers_of(request, ready.collection, asking.answers_file)
        queries = tuple(query for query in ready.collection.queries if query.query_id in gold)
        desk = _desk(asking)
        judge = _judge(asking, desk, ready.collection, gold, ready.systems[0])
        return study_answers(
            queries,
            gold,
            ready.systems,
            plan=asking.plan,
            desk=desk,
            judge=judge,
            about={**about(ready.collection), "queries": len(queries)},
            request=request.to_dict(),
            origin=provenance(command, shortlist=__version__),
            watch=watch,
        )


def _desk(asking: Asking) -> Desk | None:
    if asking.generator is None:
        return None
    return Desk.open(asking.generator, Path(asking.replies_file)) if asking.replies_file else Desk(asking.generator)


def _judge(
    asking: Asking, desk: Desk | None, collection: Collection, gold: Mapping[str, Sequence[str]], first: System
) -> Judge | None:
    if desk is None or asking.judge == "none":
        return None
    if asking.judge == "generator":
        return GeneratorJudge(desk)
    statements = list(_statements(collection, gold, first))
    if asking.judge == "words":
        return WordsJudge.measured(statements)
    return ScorerJudge.fitted(load_model(asking.judging_model), statements)


def _statements(collection: Collection, gold: Mapping[str, Sequence[str]], first: System) -> Iterator[Statement]:
    """Yield gold answers with a relevant passage, and with the highest-ranked passage that is judged by nobody.

    Beside them other questions' answers with the relevant passage: a judge that only knows what a passage is
    about takes them for supported.
    """
    shallow = replace(first, depth=10, stages=())
    texts = [gold[query.query_id][0] for query in collection.queries if query.query_id in gold]
    for place, query in enumerate(query for query in collection.queries[:_STATEMENTS] if query.query_id in gold):
        judged, text = collection.qrels[query.query_id], texts[place]
        relevant = [d for d, grade in judged.items() if grade > 0 and d in collection.documents]
        others = [d for d in answer(shallow, query).answered.doc_ids if judged.get(d, 0) == 0]
        for doc_ids, is_supported in ((relevant, True), (others, False)):
            if doc_ids:
                yield Statement(query.text, text, collection.documents[doc_ids[0]], is_supported)
        if relevant:
            own = collection.documents[relevant[0]]
            wrong = next((one for one in texts[place + 1 :] if not contains(own.full_text, [one])), None)
            if wrong is not None:
                yield Statement(query.text, wrong, own, False)
