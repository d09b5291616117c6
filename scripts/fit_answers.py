"""What the packaged scores mean: a document's relevance, whether anything answers, what supports a sentence.

    python -m scripts.fit_answers DATA

DATA holds `train/NAME/pairs.jsonl.gz` (query, passage, label) and `eval/xquad_en` (BEIR layout with answers.jsonl).
Relevance and the floor of `shortlist ask` are fitted on questions of the training sets, the floor with their passage
among the candidates and without it; the threshold of support on the one-sentence summaries of papers (scitldr) with
their own abstract and with the best other one. Floor and support are checked on xquad_en, which neither saw. It takes
about five minutes on two cores.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from shortlist.build.models import load_model
from shortlist.calibration.fitted import fit_scores
from shortlist.calibration.logistic import Floats
from shortlist.evaluation import read_beir
from shortlist.generation.support import ScorerJudge, Statement
from shortlist.protocols import Scorer
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Document, Query
from shortlist.weights import find_packaged

SETS = ("squad_nqg", "nq_qed", "medquad", "tldr", "k8s_docs", "powershell_docs")
Scored = tuple[Floats, Floats]  # the scores of the right passage, and of the wrong ones
QUERIES, PASSAGES, DEPTH, REFUSED = 100, 4000, 15, 0.05


class Search:
    """BM25 over a list of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self._bm25 = bm25s.BM25(k1=0.9, b=0.4)
        self._bm25.index(bm25s.tokenize(self.texts, show_progress=False), show_progress=False)

    def best(self, query: str, depth: int) -> list[str]:
        """Return the best texts, best first."""
        tokens = bm25s.tokenize([query], show_progress=False)
        found, _ = self._bm25.retrieve(tokens, k=min(depth, len(self.texts)), show_progress=False)
        return [self.texts[place] for place in found[0]]


def pairs(file: Path) -> list[tuple[str, str]]:
    """Read the positive pairs of query and passage."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["query"], row["passage"]) for row in rows if row.get("label", 1)]


def candidate_scores(scorer: Scorer, query: str, right: set[str], search: Search) -> Scored:
    """Return the scores of a right passage and of the best wrong ones."""
    wrong = [text for text in search.best(query, DEPTH + len(right)) if text not in right][:DEPTH]
    texts = [*sorted(right)[:1], *wrong]
    values = scorer.score(Query(query), [Document(text) for text in texts]).values
    return values[:1].astype(float), values[1:].astype(float)


def of_training_sets(scorer: Scorer, folder: Path) -> Iterator[tuple[str, Scored]]:
    """Yield sampled questions with the scores of their candidates."""
    random = np.random.default_rng(0)
    for name in SETS:
        known = pairs(folder / name / "pairs.jsonl.gz")
        chosen = [known[i] for i in random.permutation(len(known))[:PASSAGES]]
        search = Search(list(dict.fromkeys(passage for _, passage in chosen)))
        for query in list(dict.fromkeys(query for query, _ in chosen))[:QUERIES]:
            right = {passage for asked, passage in known if asked == query}
            yield f"{name}: {query}", candidate_scores(scorer, query, right, search)


def of_xquad(scorer: Scorer, folder: Path) -> Iterator[tuple[str, Scored]]:
    """Yield 200 questions of a collection with the scores of their candidates."""
    collection = read_beir(folder)
    search = Search([document.full_text for document in collection.documents.values()])
    for query in collection.queries[::6][:200]:
        right = {collection.documents[d].full_text for d, grade in collection.qrels[query.query_id].items() if grade}
        yield query.query_id, candidate_scores(scorer, query.text, right, search)


def summaries(folder: Path) -> list[Statement]:
    """Return one-sentence summaries with their own abstract, and with the best other one."""
    known = [(text, passage) for text, passage in pairs(folder / "scitldr" / "pairs.jsonl.gz") if text.endswith(".")]
    chosen = [known[i] for i in np.random.default_rng(0).permutation(len(known))[:300]]
    search = Search(list(dict.fromkeys(passage for _, passage in known)))
    made = []
    for text, passage in chosen:
        other = next(found for found in search.best(text, 5) if found != passage)
        made += [Statement("", text, Document(passage), True), Statement("", text, Document(other), False)]
    return made


def answers(folder: Path) -> list[Statement]:
    """Return xquad_en's short answers, behind their question, with their own paragraph and with the best other one."""
    collection = read_beir(folder)
    search = Search([document.full_text for document in collection.documents.values()])
    made = []
    for query in collection.queries[::6][:200]:
        right = next(d for d, grade in collection.qrels[query.query_id].items() if grade)
        own, text = collection.documents[right].full_text, collection.answers[query.query_id][0]
        other = next(found for found in search.best(query.text, 5) if found != own)
        made += [Statement(query.text, text, Document(own), True), Statement(query.text, text, Document(other), False)]
    return made


def balanced_accuracy(judge: ScorerJudge, statements: Sequence[Statement]) -> float:
    """Return the mean of the shares of supported and of unsupported statements that are told."""
    told = np.array([judge.supports(s.question, s.answer, [s.passage]) for s in statements])
    truth = np.array([s.is_supported for s in statements])
    return float((told[truth].mean() + (~told[~truth]).mean()) / 2)


def relevance_of(scorer: Scorer, found: Sequence[tuple[str, Scored]]) -> dict[str, Any]:
    """Fit the chance that a document is relevant, one right among `DEPTH` + 1 candidates of BM25."""
    scores = {
        name: {str(place): value for place, value in enumerate([*right, *wrong])} for name, (right, wrong) in found
    }
    labels = {name: {place: place == "0" for place in by_place} for name, by_place in scores.items()}
    fitted_on = f"{len(found)} questions of {', '.join(SETS)}, one right among {DEPTH + 1} candidates"
    return asdict(fit_scores(scores, labels, scorer=scorer.fingerprint, fitted_on=fitted_on))


def floor_of(scorer: Scorer, asked: Sequence[tuple[str, Scored]], data: Path) -> dict[str, Any]:
    """Fit the chance that the documents answer, choose the floor, and see what it does on other questions."""
    found = [_best(*row) for row in asked]
    scores = {name: {"with": there, "without": gone} for name, there, gone in found}
    labels: dict[str, Mapping[str, bool]] = {name: {"with": True, "without": False} for name in scores}
    fitted_on = f"{len(found)} questions of {', '.join(SETS)}, with and without their passage among {DEPTH} candidates"
    made = fit_scores(scores, labels, scorer=scorer.fingerprint, fitted_on=fitted_on)
    chances = made.score_map(np.array([there for _, there, _ in found]))
    floor = float(np.quantile(chances, REFUSED))
    told: dict[str, Any] = {"calibration": asdict(made), "floor": round(floor, 4)}
    for name, rows in (
        ("fitted", found),
        ("xquad_en", [_best(*row) for row in of_xquad(scorer, data / "eval" / "xquad_en")]),
    ):
        there, gone = (made.score_map(np.array([row[place] for row in rows])) for place in (1, 2))
        told[name] = {
            "questions": len(rows),
            "answerable_refused": round(float((there < floor).mean()), 4),
            "unanswerable_refused": round(float((gone < floor).mean()), 4),
        }
    return told


def _best(name: str, scored: Scored) -> tuple[str, float, float]:
    """Return the best score with the right passage among the candidates, and without it."""
    right, wrong = scored
    return name, float(max(right.max(), wrong.max())), float(wrong.max())


def support_of(scorer: Scorer, data: Path) -> dict[str, Any]:
    """Fit the threshold of support, and see what it does on other statements."""
    judge = ScorerJudge.fitted(scorer, summaries(data / "train"))
    other = answers(data / "eval" / "xquad_en")
    return {
        "threshold": round(judge.threshold, 4),
        "fitted_on": f"{judge.statements // 2} one-sentence summaries of scitldr with their abstract and another",
        "statements": judge.statements,
        "balanced_accuracy": round(judge.accuracy, 4),
        "xquad_en": {"statements": len(other), "balanced_accuracy": round(balanced_accuracy(judge, other), 4)},
    }


def main() -> None:
    """Fit both and write them beside the packaged model's card."""
    data, packaged = Path(sys.argv[1]), find_packaged(DEFAULT_MODEL)
    assert packaged is not None
    scorer = load_model(DEFAULT_MODEL, precision="fp32", engine="onnxruntime")
    asked = list(of_training_sets(scorer, data / "train"))
    told = {
        "relevance": relevance_of(scorer, asked),
        "answerable": floor_of(scorer, asked, data),
        "support": support_of(scorer, data),
    }
    (packaged.folder / "answers.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
