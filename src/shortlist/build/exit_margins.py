"""How far a candidate may fall behind at each exit of a model, from queries like those to come."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.build.collections import Filling, read_collection, read_unjudged
from shortlist.build.evaluation import opened
from shortlist.build.exits import load_exits
from shortlist.build.models import options_of
from shortlist.evaluation.experiment import Watch, answer_all
from shortlist.evaluation.request import Request
from shortlist.scorers.pruning import Margins, check_risk, safe_margins
from shortlist.settings import Settings


def fit_margins(
    request: Request,
    name: str,
    *,
    settings: Settings,
    top_ks: Sequence[int],
    risk: float,
    watch: Watch | None = None,
    filling: Filling | None = None,
) -> Margins:
    """Score what the request's first stage finds for its queries at every exit, and say how far one may fall behind.

    Judgements are not needed: what is kept are the `top_k` that the whole model would choose, for each of `top_ks`.
    Raises InputError before anything is scored when `risk` is not between 0 and 1.
    """
    check_risk(risk)
    is_judged = bool(request.qrels or request.collection)
    collection = read_collection(request) if is_judged else read_unjudged(request)
    model = load_exits(name, options=options_of(settings))
    try:
        with opened(request, collection=collection, filling=filling) as ready:
            (answers,) = answer_all(ready.collection.queries, ready.systems[:1], watch).values()
        rankings = [answer.ranking for answer in answers.values() if len(answer.ranking)]
        scores = [model.scores(ranking.query, ranking.documents) for ranking in rankings]
    finally:
        model.close()
    by_top_k = {top_k: safe_margins(scores, top_k=top_k, risk=risk) for top_k in sorted(set(top_ks))}
    return Margins(model.fingerprint, risk, len(scores), by_top_k)
