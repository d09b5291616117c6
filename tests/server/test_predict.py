"""TEI's /predict served: pairs of any queries, in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.fakes import Overlap
from server.running import Running, running, state_with
from shortlist.build.models import load_model
from shortlist.server.keys import new_key, read_keys
from shortlist.server.scheduling.queue import Bounds
from shortlist.server.settings import ServeSettings

PAIRS = [["iron tower", "x"], ["tall tower", "a tall tower"], ["iron tower", "an iron thing"], ["iron tower", "x"]]


@pytest.mark.parametrize("path", ["/predict", "/tei/predict"])
def test_pairs_are_scored_in_their_order_whatever_their_queries(server: Running, path: str) -> None:
    answer = server.ask(path, {"inputs": PAIRS, "raw_scores": True})
    assert answer.json == [[{"score": score, "label": "LABEL_0"}] for score in (0.0, 1.0, 0.5, 0.0)]
    assert int(answer.headers["x-compute-characters"]) == sum(len(text) for pair in PAIRS for text in pair)
    assert server.ask(path, {"inputs": PAIRS[1], "raw_scores": True}).json == [{"score": 1.0, "label": "LABEL_0"}]


def test_a_pair_has_the_score_that_rerank_gives_it(server: Running) -> None:
    alone = server.ask("/predict", {"inputs": ["iron tower", "an iron thing"]}).json[0]["score"]
    ranked = server.ask("/tei/rerank", {"query": "iron tower", "texts": ["an iron thing"]}).json[0]["score"]
    assert alone == ranked
    assert 0.5 < alone < 1
    label = server.ask("/info").json["model_type"]["reranker"]["id2label"]["0"]
    assert label == "LABEL_0"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": "one text"}, "a pair of query and document"),
        ({"inputs": [["q", "d"], ["one text"]]}, "$.inputs[1]"),
        ({"query": "q", "texts": ["t"]}, "$.inputs: missing"),
        ({"inputs": [["q", "d"], [" ", "d"]]}, "query"),
    ],
)
def test_mistakes_have_the_shape_of_tei(server: Running, body: Any, says: str) -> None:
    answer = server.ask("/predict", body)
    assert (answer.status, answer.json["error_type"]) == (422, "Validation")
    assert says in answer.json["error"]


def test_limits_hold_for_all_pairs_of_a_request() -> None:
    with running(state_with(settings=ServeSettings(max_documents=3, max_characters=20))) as started:
        many = started.ask("/predict", {"inputs": [[f"q{i}", "d"] for i in range(4)]})
        assert (many.status, "4 documents are more than the 3" in many.json["error"]) == (413, True)
        long = started.ask("/predict", {"inputs": [["q", "d" * 15], ["r", "e" * 15]]})
        assert (long.status, "more than 20 characters together" in long.json["error"]) == (413, True)


def test_many_queries_are_let_in_as_one_request_is() -> None:
    with running(state_with(bounds=Bounds(pairs=10))) as started:
        many = started.ask("/predict", {"inputs": [[f"tower {i}", "a tower"] for i in range(80)], "raw_scores": True})
        assert [one[0]["score"] for one in many.json] == [0.5] * 80


def test_notes_of_several_queries_are_counted_together() -> None:
    with running(state_with({"words": load_model("shortlist-minilm-l6")})) as words:
        empty = words.ask("/predict", {"inputs": [["q", ""], ["r", ""], ["s", "s"]]})
        assert "2 documents are empty" in empty.headers["x-shortlist-degraded"]


def test_no_other_model_stands_in_for_one_that_fails() -> None:
    with running(state_with({"overlap": Overlap(), "other": Overlap()}, fallback=("other",))) as started:
        failed = started.ask("/predict", {"inputs": [["q", "POISON"], ["tall tower", "a tall tower"]]})
        assert (failed.status, failed.json["error_type"]) == (424, "Backend")


def test_a_pair_that_fails_fails_the_request_and_nobody_without_a_key_is_answered(tmp_path: Path) -> None:
    key, line = new_key("me")
    (tmp_path / "keys").write_text(line)
    with running(state_with(keys=read_keys(tmp_path / "keys"))) as started:
        wrong = started.ask("/predict", {"inputs": ["q", "d"]})
        assert (wrong.status, wrong.content) == (401, b"")
        given = {"Authorization": f"Bearer {key}"}
        poisoned = [["q", "d"], ["r", "POISON"]]
        failed = started.ask("/predict", {"inputs": poisoned}, headers=given)
        assert (failed.status, failed.json["error_type"]) == (424, "Backend")
        assert started.ask("/predict", {"inputs": ["q", "d"]}, headers=given).status == 200


def test_what_was_not_scored_in_time_is_said(server: Running) -> None:
    late = server.ask("/predict", {"inputs": PAIRS}, headers={"X-Shortlist-Budget-Ms": "0.001"})
    assert [one[0]["score"] for one in late.json] == [0.0] * 4
    assert "0 of 3 candidates were scored" in late.headers["x-shortlist-degraded"]


def test_the_openapi_document_describes_it(server: Running) -> None:
    paths = server.ask("/openapi.json").json["paths"]
    statuses = sorted(paths["/tei/rerank"]["post"]["responses"])
    assert sorted(paths["/predict"]["post"]["responses"]) == statuses
