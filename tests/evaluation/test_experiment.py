"""Systems answer, are measured, compared, saved and replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from shortlist.build.evaluation import evaluate_request
from shortlist.errors import InputError, ScoreError
from shortlist.evaluation import Run, mean, parse_measures, per_query, read_beir, read_run
from shortlist.evaluation.experiment import evaluate
from shortlist.evaluation.report.depths import depth_curve, reranked_at
from shortlist.evaluation.request import Request
from shortlist.evaluation.results import Evaluation
from shortlist.evaluation.saved import load, replayed, save
from shortlist.evaluation.systems import Given, Stage, System, answer
from shortlist.retrieval import Index
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Document, Query, ScoreKind, Scores, Step

from .material import beir_folder

MEASURES = parse_measures(["nDCG@10 R@100 RR@10"])
RUN = Run("given", dict.fromkeys("123456", ("hostile", "iron", "tower", "cats", "git", "ada", "bread")))


@dataclass(frozen=True)
class ByLength:
    """Scores a document by its length; costs one token a letter."""

    sign: float = 1.0
    fingerprint: str = "length"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        values = np.array([self.sign * len(d.text) for d in documents], dtype=np.float32)
        counts = {"documents": len(documents), "tokens": sum(len(d.text) for d in documents)}
        return Scores(values, ScoreKind.LOGIT, Step("length", 1.0, counts, {"model": "length"}, ("1 text cut",)))


@pytest.fixture
def found(tmp_path: Path) -> Evaluation:
    collection = read_beir(beir_folder(tmp_path))
    given = Given(RUN, collection.documents)
    systems = [
        System("first", given, 5, spec="run:given@5"),
        System("long", given, 5, (Stage(Pointwise(ByLength()), None, 2.0),), "run:given@5 > length"),
        System("short", given, 5, (Stage(Pointwise(ByLength(-1.0)), 2),), "run:given@5 > length@2"),
    ]
    return evaluate(collection, systems, MEASURES, permutations=500, all_pairs=True)


def test_values_are_those_of_the_ranking_and_the_mean_lies_in_its_interval(found: Evaluation) -> None:
    for system in found.systems:
        run = Run("x", {q: one.doc_ids for q, one in system.answers.items()})
        qrels = {q: dict(judged) for q, judged in found.relevance.items()}
        assert system.values == per_query(run, qrels, MEASURES)
        for measure in found.measures:
            low, high = system.intervals[measure]
            assert low <= system.mean(measure) <= high


def test_nothing_is_put_into_the_candidates_and_no_system_beats_its_ceiling(found: Evaluation) -> None:
    for system in found.systems:
        for query_id, one in system.answers.items():
            assert one.candidates == RUN.doc_ids[query_id][:5]
            assert sorted(one.doc_ids) == sorted(one.candidates)
        assert all(system.mean(m) <= system.ceiling[m] + 1e-9 for m in found.measures)
    # ada and bread stand at 6 and 7: queries 4 and 6 can find nothing at depth 5
    assert found.systems[0].ceiling["R@5"] == pytest.approx(4 / 6)


def test_a_reranker_of_two_leaves_the_others_below_in_their_order(found: Evaluation) -> None:
    short = next(system for system in found.systems if system.name == "short")
    for one in short.answers.values():
        assert one.doc_ids == ("iron", "hostile", "tower", "cats", "git")
        assert (len(one.scores), one.pairs) == (2, 2)


def test_tokens_and_prices_add_up(found: Evaluation) -> None:
    first, long, short = found.systems
    assert (first.tokens, first.pairs, first.cost_of_1000) == (0, 0, 0)
    assert long.cost_of_1000 == pytest.approx(1000 * long.tokens * 2 / 1e6)
    assert short.cost_of_1000 == 0
    assert long.latency_ms(50) <= long.latency_ms(95)


def test_degradations_and_models_are_told(found: Evaluation) -> None:
    assert any("on 6 of 6 queries length: 1 text cut" in note for note in found.systems[1].notes)
    assert found.systems[1].models == ("length",)


@pytest.mark.parametrize("missing", ["1", "6"])
def test_the_kind_of_scores_and_the_models_are_those_of_a_query_that_found_something(
    missing: str, tmp_path: Path
) -> None:
    collection = read_beir(beir_folder(tmp_path))
    given = Given(Run("given", {q: ids for q, ids in RUN.doc_ids.items() if q != missing}), collection.documents)
    system = System("long", given, 5, (Stage(Pointwise(ByLength())),), "run:given@5 > length")
    result = evaluate(collection, [system], MEASURES, permutations=500).systems[0]
    assert (result.score_kind, result.models) == ("logit", ("length",))
    assert depth_curve(result, "nDCG@10", collection.qrels)


def test_every_pair_is_compared_and_corrected_within_its_measure(found: Evaluation) -> None:
    names = [(c.system, c.baseline) for c in found.comparisons["nDCG@10"]]
    assert names == [("long", "first"), ("short", "first"), ("short", "long")]
    assert all(c.p_holm >= c.p_randomisation for tests in found.comparisons.values() for c in tests)


def test_what_moved_shows_both_orders_with_the_judgements(found: Evaluation) -> None:
    assert found.moved
    for one in found.moved:
        values = {system.name: system.values["nDCG@10"][one.query_id] for system in found.systems}
        assert one.difference == pytest.approx(values[one.system] - values[one.baseline])
        for passage in (*one.passages, *one.baseline_passages):
            assert passage.relevance == found.relevance[one.query_id].get(passage.doc_id)
            assert passage.text
    gains = [one.difference for one in found.moved if (one.system, one.baseline) == ("long", "first")]
    assert gains == sorted(gains, reverse=True) or min(gains) < 0


def test_a_curve_gives_what_reranking_only_so_many_gives(found: Evaluation, tmp_path: Path) -> None:
    collection = read_beir(tmp_path)
    long = found.systems[1]
    for depth in (1, 2, 3, 5):
        system = System("d", Given(RUN, collection.documents), 5, (Stage(Pointwise(ByLength()), depth),))
        for query in collection.queries:
            assert reranked_at(long.answers[query.query_id], depth) == answer(system, query).answered.doc_ids
    curve = depth_curve(long, "nDCG@10", found.relevance)
    assert [point.depth for point in curve] == [1, 2, 5]
    assert curve[-1].mean == pytest.approx(long.mean("nDCG@10"))
    assert depth_curve(found.systems[0], "nDCG@10", found.relevance) == []


def test_a_failing_model_is_an_error_and_no_silent_fallback(tmp_path: Path) -> None:
    collection = read_beir(beir_folder(tmp_path))
    system = System("nan", Given(RUN, collection.documents), 5, (Stage(Pointwise(ByLength(float("nan")))),))
    with pytest.raises(ScoreError, match="nan"):
        evaluate(collection, [system], MEASURES)


@pytest.mark.parametrize("measure", ["Sucess@5", "RBP(p=0.8)", "alpha_nDCG@10"])
def test_a_measure_that_cannot_be_computed_is_refused_before_anything_runs(measure: str, tmp_path: Path) -> None:
    pytest.importorskip("ir_measures")
    collection = read_beir(beir_folder(tmp_path))
    given, watched = Given(RUN, collection.documents), list[int]()
    with pytest.raises(InputError, match=measure.partition("(")[0]):
        evaluate(
            collection,
            [System("first", given, 5)],
            parse_measures(["nDCG@10", measure]),
            watch=lambda done, _: watched.append(done),
        )
    assert watched == []


def test_a_document_that_the_corpus_lacks_is_named_with_its_line_before_anything_runs(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    collection = read_beir(folder)
    (tmp_path / "r.trec").write_text("1 Q0 tower 1 2 r\n1 Q0 lost 2 1 r\n", encoding="utf-8")
    given = Given(read_run(tmp_path / "r.trec"), collection.documents)
    told = r"r\.trec, line 2: document 'lost' of query '1' is not in the corpus; use the corpus"
    with pytest.raises(InputError, match=told):
        given.retrieve(collection.queries[0], depth=9)
    systems = (f"run:{tmp_path / 'r.trec'} > lexical[kind=lexical]",)
    with pytest.raises(InputError, match=told):
        evaluate_request(Request(systems, collection=str(folder)), watch=lambda *_: pytest.fail("a query was answered"))
    found = evaluate_request(Request((systems[0].replace(".trec", ".trec@1"),), collection=str(folder)))
    assert found.systems[0].answers["1"].doc_ids == ("tower",)


def test_a_run_of_other_queries_is_refused_by_its_file(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    (tmp_path / "r.trec").write_text("77 Q0 tower 1 2 r\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.trec and the qrels share no query .*'77' against '1'"):
        evaluate_request(Request((f"run:{tmp_path / 'r.trec'}",), collection=str(folder)))


def test_ties_of_a_run_are_told(found: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "r.trec").write_text("1 Q0 tower 1 2 r\n1 Q0 iron 2 2 r\n", encoding="utf-8")
    tied = evaluate_request(Request((f"run:{tmp_path / 'r.trec'}",), collection=str(tmp_path)))
    assert "1 documents tie with the one before them" in tied.systems[0].notes
    assert not any("tie with" in note for note in found.systems[0].notes)


def test_a_saved_evaluation_is_read_the_same(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    save(found, path)
    assert json.dumps(asdict(load(path))) == json.dumps(asdict(found))


BARE = {"format": 1, **{key: {} for key in ("request", "collection", "provenance")}, "measures": []}
OTHER = json.dumps({**BARE, "systems": [{"answers": []}], "comparisons": {}})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', OTHER])
def test_a_file_that_is_no_saved_evaluation_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.json is (no saved evaluation|of format 99)"):
        load(path)


def test_a_replay_says_what_differs(found: Evaluation) -> None:
    assert replayed(found, found).is_same
    worse = replace(found.systems[1], values={**found.systems[1].values, "RR@10": dict.fromkeys("123456", 0.0)})
    versions = {**found.provenance["versions"], "numpy": "0.1"}
    other = replace(
        found,
        systems=(found.systems[0], worse),
        provenance={**found.provenance, "versions": versions},
        collection={**found.collection, "fingerprint": "another"},
    )
    replay = replayed(found, other)
    told = "\n".join(replay.lines)
    assert not replay.is_same
    assert "numpy: " in told
    assert "0.1 now" in told
    assert "the collection differs" in told
    assert "long: " in told
    assert "values differ, such as RR@10 of " in told
    assert "short: was not run" in told


def test_a_request_runs_indexes_and_models_by_name_and_replays(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "made")
    request = Request(
        ("bm25@5", "lexical = bm25@5 > lexical@4[kind=lexical,price=3]"),
        ("nDCG@10",),
        collection=str(folder),
        index=str(tmp_path / "index"),
        permutations=100,
    )
    first = evaluate_request(request, command="here")
    assert first.provenance["command"] == "here"
    assert mean(first.systems[0].values["nDCG@10"]) > 0.9
    again = evaluate_request(Request.from_dict(json.loads(json.dumps(dict(first.request)))))
    assert replayed(first, again).is_same


def test_judgements_of_documents_that_an_index_lacks_are_noted_and_an_error_where_it_lacks_all(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "made")
    with Index.create(tmp_path / "index") as index:
        index.upsert([Document("A tower of iron.", "docs/tower.md#1")])
    (qrels := tmp_path / "qrels.txt").write_text("1 0 docs/tower.md#1 1\n1 0 docs/moved.md#1 1\n", encoding="utf-8")
    queries, index_path = str(folder / "queries.jsonl"), str(tmp_path / "index")
    request = Request(("bm25@5",), ("R@5",), queries=queries, qrels=str(qrels), index=index_path, permutations=100)
    lost = (
        f"1 of 2 judgements are of documents that the index {index_path} lacks ('docs/moved.md#1' at {qrels}, line 2)"
    )
    assert lost in evaluate_request(request).collection["notes"]
    qrels.write_text("1 0 moved/tower.md#1 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"none of the judged documents is in the index .* 'docs/tower\.md#1' there"):
        evaluate_request(request)


def test_a_cross_encoder_and_a_blend_are_loaded_beside_an_encoder(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "made")
    systems = ("dense@3 > shortlist-minilm-l6", "dense@3 > all-minilm-l6-v2[kind=bi-encoder] > shortlist-l6@2")
    found = evaluate_request(
        Request(systems, ("RR@10",), collection=str(folder), permutations=100, engine="onnxruntime")
    )
    assert [len(system.models) for system in found.systems] == [2, 3]
    assert all(system.mean("RR@10") > 0.8 for system in found.systems)


def test_runs_are_measured_without_any_texts(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    (tmp_path / "a.trec").write_text("1 Q0 tower 1 2 a\n1 Q0 iron 2 1 a\n", encoding="utf-8")
    request = Request((f"run:{tmp_path / 'a.trec'}",), ("RR@10",), qrels=str(folder / "qrels" / "test.tsv"))
    found = evaluate_request(request)
    assert found.systems[0].mean("RR@10") == pytest.approx(1 / 6)
    assert any("5 of 6 queries found nothing and count 0" in note for note in found.systems[0].notes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"systems": ("bm25",)}, "no judgements were named"),
        ({"systems": ("bm25",), "qrels": "QRELS"}, "needs the documents"),
        ({"systems": ("bm25",), "qrels": "QRELS", "corpus": "CORPUS"}, "needs the queries' texts"),
        (
            {"systems": ("bm25 > lexical[kind=lexical,precision=int8]",), "collection": "BEIR"},
            "has no option .precision",
        ),
        (
            {"systems": ("bm25 > lexical[kind=lexical,price=-1]",), "collection": "BEIR"},
            "price must be a number",
        ),
        ({"systems": ("bm25 > lexical[kind=lexical,max_length=no]",), "collection": "BEIR"}, "whole number of tokens"),
        (
            {"systems": ("bm25 > shortlist-l6[threads=many]",), "collection": "BEIR"},
            "threads .* must be a whole number",
        ),
        ({"systems": ("bm25",), "collection": "nowhere"}, "is no folder"),
        ({"systems": ("bm25",), "collection": "BEIR", "measures": ("nDGC@10",)}, "did you mean"),
    ],
)
def test_a_request_that_cannot_be_met_says_what_is_missing(
    values: dict[str, str], message: str, tmp_path: Path
) -> None:
    folder = beir_folder(tmp_path)
    places = {"QRELS": folder / "qrels" / "test.tsv", "CORPUS": folder / "corpus.jsonl", "BEIR": folder}
    given = {name: str(places.get(value, value)) if isinstance(value, str) else value for name, value in values.items()}
    with pytest.raises(InputError, match=message):
        evaluate_request(Request(**given))  # type: ignore[arg-type]


def test_an_index_of_other_documents_is_refused(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "made")
    request = Request(("bm25",), collection=str(folder), index=str(tmp_path / "index"), permutations=100)
    evaluate_request(request)
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "corpus.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match="holds 8 documents instead of 7"):
        evaluate_request(request)
