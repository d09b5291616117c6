"""What reranking changed is written down without texts, and a gate is trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortlist.errors import InputError
from shortlist.gating.features import NAMES
from shortlist.gating.log import append, logged, make_ready, read_log
from shortlist.pipeline.budgeted import Budgeted, Level
from shortlist.pipeline.watched import Watched
from shortlist.planning.cost import CostModel
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind

DOCUMENTS = [Document(text, name) for name, text in (("a", "iron"), ("b", "a tall tower"), ("c", "tall"))]
_OF_NAN = json.dumps({"features": dict.fromkeys(NAMES, float("nan")), "was_worth_it": True})
FIRST = Ranking.from_scores(Query("tall tower"), DOCUMENTS, [3, 2, 1], kind=ScoreKind.BM25, stage="bm25")


def test_it_was_worth_it_when_others_came_among_the_first() -> None:
    reranked = Pointwise(Lexical()).rerank(FIRST)
    assert reranked.doc_ids == ("b", "c", "a")
    assert logged(FIRST, reranked, top_k=1).was_worth_it
    assert logged(FIRST, reranked, top_k=2).was_worth_it
    assert not logged(FIRST, reranked, top_k=3).was_worth_it  # only the order changed


def test_a_log_comes_back_and_holds_no_text(tmp_path: Path) -> None:
    file, reranked = tmp_path / "log.jsonl", Pointwise(Lexical()).rerank(FIRST)
    made = [logged(FIRST, reranked, top_k=k) for k in (1, 3)]
    for one in made:
        append(file, one)
    assert read_log(file) == made
    assert "tower" not in file.read_text()


def test_a_log_that_cannot_be_written_is_said_beforehand(tmp_path: Path) -> None:
    make_ready(tmp_path / "log.jsonl")
    assert read_log(tmp_path / "log.jsonl") == []
    for file in (tmp_path / "absent/log.jsonl", tmp_path):
        with pytest.raises(InputError, match=r"cannot write the log .*; name a file in a folder of yours"):
            make_ready(file)


@pytest.mark.parametrize("line", ["{", "[]", _OF_NAN, '{"features": {}, "was_worth_it": true}', '{"was_worth_it": 1}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "log.jsonl"
    append(file, logged(FIRST, FIRST, top_k=1))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"log.jsonl, line 2 is no logged reranking"):
        read_log(file)
    with pytest.raises(InputError, match="cannot read the log"):
        read_log(tmp_path / "none")


def test_what_is_watched_is_ranked_as_before_and_told_whole() -> None:
    told: list[tuple[Ranking, Ranking]] = []
    watched = Watched(Pointwise(Lexical()), lambda before, after: told.append((before, after)))
    assert watched.rerank(FIRST, top_k=1).items == Pointwise(Lexical()).rerank(FIRST, top_k=1).items
    ((before, after),) = told
    assert (before, len(after)) == (FIRST, 3)
    check_reranker(watched)


def test_a_log_that_cannot_be_written_any_more_costs_no_ranking(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "log.jsonl"
    watched = Watched(Pointwise(Lexical()), lambda before, after: append(gone, logged(before, after, top_k=1)))
    found = watched.rerank(FIRST, top_k=1)
    assert found.items == Pointwise(Lexical()).rerank(FIRST, top_k=1).items
    (note,) = found.trace.degradations
    assert note.startswith("watched: what reranking changed was not told: FileNotFoundError")


def test_what_a_deadline_cut_short_is_not_told() -> None:
    told: list[Ranking] = []
    slow = Budgeted([Level(Lexical(), CostModel(pair_ms=1000))])
    watched = Watched(slow, lambda before, after: told.append(after))
    assert watched.rerank_within(FIRST, deadline=Deadline.after(1)).is_partial
    assert told == []
    watched.rerank_within(FIRST, deadline=Deadline.after(60_000))
    assert len(told) == 1
    with pytest.raises(InputError, match="keeps no deadline"):
        Watched(Pointwise(Lexical()), lambda before, after: None).rerank_within(FIRST, deadline=Deadline.after(1))


def test_lines_are_json(tmp_path: Path) -> None:
    append(tmp_path / "log", logged(FIRST, FIRST, top_k=2))
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["was_worth_it"] is False
