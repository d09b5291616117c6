"""Our measures against trec_eval itself, and how they are spelled."""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import InputError, MissingExtraError
from shortlist.evaluation import Run, audit, mean, parse_measure, parse_measures, per_query, read_beir, read_run
from shortlist.evaluation.trec import trec_order

DOC_IDS = st.sampled_from([*string.ascii_lowercase, "d1", "d10", "d2", "é", "文", "Z9"])
QUERY_IDS = st.sampled_from(["1", "2", "10", "q"])
# few values, so that ties are common; and such as differ in double precision only
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.5, 0.1, 0.1 + 1e-12, 16777216.0, 16777217.0, 1e-30]), st.floats(-1e6, 1e6, width=64)
)
QRELS = st.dictionaries(QUERY_IDS, st.dictionaries(DOC_IDS, st.integers(0, 3), min_size=1), min_size=1)
RUNS = st.dictionaries(QUERY_IDS, st.dictionaries(DOC_IDS, SCORES, min_size=1), min_size=1)

# ours -> trec_eval's name
NAMES = {
    "nDCG": "ndcg",
    "nDCG@5": "ndcg_cut_5",
    "AP": "map",
    "AP@5": "map_cut_5",
    "R@5": "recall_5",
    "P@5": "P_5",
    "RR": "recip_rank",
}
GRADED = {"AP(rel=2)": "map", "AP(rel=2)@5": "map_cut_5", "R(rel=2)@5": "recall_5", "P(rel=2)@5": "P_5"}


@settings(max_examples=200)
@given(QRELS, RUNS, st.sampled_from([(NAMES, 1), ({**GRADED, "RR(rel=2)": "recip_rank"}, 2)]))
def test_random_runs_measure_as_in_trec_eval(
    qrels: dict[str, dict[str, int]], scores: dict[str, dict[str, float]], asked: tuple[dict[str, str], int]
) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    names, rel = asked
    if not scores.keys() & qrels.keys():
        return
    families = {name.rsplit("_", 1)[0] if name[-1].isdigit() else name for name in names.values()}
    wanted = {f"{name}.5" if name in {"ndcg_cut", "map_cut", "recall", "P"} else name for name in families}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, wanted, relevance_level=rel).evaluate(scores)
    ours = per_query(Run.from_scores("random", scores), qrels, parse_measures(names))
    for name, foreign in names.items():
        for query_id in qrels:
            # a missing query counts 0, as with trec_eval -c; plain trec_eval leaves it out
            expected = theirs[query_id][foreign] if query_id in theirs else 0.0
            assert ours[name][query_id] == pytest.approx(expected, abs=1e-9), (name, query_id)


@given(st.dictionaries(DOC_IDS, SCORES, min_size=1))
def test_order_is_by_single_precision_score_then_by_doc_id_downwards(scores: dict[str, float]) -> None:
    np = pytest.importorskip("numpy")
    ranked = trec_order(scores)
    keys = [(float(np.float32(scores[doc_id])), doc_id) for doc_id in ranked]
    assert keys == sorted(keys, reverse=True)


def test_rr_and_judged_stop_at_the_cutoff() -> None:
    run, qrels = Run("r", {"q": ("x", "y", "a")}), {"q": {"a": 1, "y": 0}}
    values = per_query(run, qrels, parse_measures(["RR@2 RR@3 Judged@2 Judged@10 Judged"]))
    assert {name: value["q"] for name, value in values.items()} == pytest.approx(
        {"RR@2": 0.0, "RR@3": 1 / 3, "Judged@2": 0.5, "Judged@10": 2 / 3, "Judged": 2 / 3}
    )


def test_ir_measures_agrees_on_what_both_compute_and_computes_the_rest() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    run = Run("r", {"1": ("a", "b", "c"), "2": ("d", "e")})
    qrels = {"1": {"a": 0, "c": 2}, "2": {"e": 1}, "3": {"f": 1}}
    names = ["nDCG@2", "RR@2", "AP", "P@2", "R@2", "Success@2", "nDCG(dcg='exp-log2')@3", "Rprec", "ERR@2", "IPrec@0.1"]
    ours = per_query(run, qrels, parse_measures(names))
    falling = {q: {d: -float(i) for i, d in enumerate(ids)} for q, ids in run.doc_ids.items()}
    theirs = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in names], qrels, falling)
    assert {name: mean(values) for name, values in ours.items()} == pytest.approx(
        {str(measure): value for measure, value in theirs.items()}
    )
    named = per_query(
        Run("r", {f"q {q}": ids for q, ids in run.doc_ids.items()}),
        {f"q {q}": judged for q, judged in qrels.items()},
        parse_measures(names),
    )
    assert named == {name: {f"q {q}": value for q, value in values.items()} for name, values in ours.items()}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("INST", r"max_rel \(not given\)"),
        ("SDCG@10", r"max_rel \(not given\)"),
        ("NERR10@10", "unsupported params found: .*cutoff"),
        ("Success@0.5", "invalid param cutoff=0.5"),
        ("RBP(p=0.8)", "Unsupported measures"),
        ("ERR@20", "cannot compute"),  # gdeval reads columns
    ],
)
def test_what_ir_measures_cannot_compute_is_refused_with_its_reason(text: str, why: str) -> None:
    pytest.importorskip("ir_measures")
    with pytest.raises(InputError, match=why):
        per_query(Run("r", {"q": ("a b",)}), {"q": {"a b": 1}}, [parse_measure(text)])


@pytest.mark.parametrize(
    "text",
    [
        "nDCG@10",
        "RR(rel=2)@10",
        "AP",
        "Judged@20",
        "alpha_nDCG(alpha=0.5)@20",
        "nDCG(dcg='exp-log2')@10",
        "IPrec@0.1",
        "IPrec@0.0",
    ],
)
def test_a_spelling_round_trips(text: str) -> None:
    assert str(parse_measure(text)) == text
    assert parse_measure(str(parse_measure(text))) == parse_measure(text)


def test_usual_other_names_are_understood_and_repetitions_dropped() -> None:
    spaced = ["P(rel=2, judged_only=True)@10", "AP", "RBP(p=0.8, rel=1)", "P(rel=2)@5"]
    assert [str(m) for m in parse_measures([" ".join(spaced)])] == spaced
    assert [str(m) for m in parse_measures(["MRR@10 MAP", "RR@10", "Recall@100", "P(rel=1)@5"])] == [
        "RR@10",
        "AP",
        "R@100",
        "P@5",
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nDCG@@10", "write it as ir_measures does"),
        ("ndcg@10", "did you mean 'nDCG'"),
        ("nDGC@10", "did you mean 'nDCG'"),
        ("P", "needs a cutoff, such as P@10"),
        ("nDCG@0", "counts documents from 1"),
        ("R@0.5", "counts documents from 1"),
        ("RR(rel=0)@10", "the lowest relevant grade"),
    ],
)
def test_a_wrong_spelling_is_refused_with_the_way_out(text: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint.replace("(", r"\(")):
        parse_measure(text)


def test_no_measure_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="usual are nDCG@10"):
        parse_measures([" "])


def test_a_measure_that_nobody_knows_is_named() -> None:
    pytest.importorskip("ir_measures")
    with pytest.raises(InputError, match="Gladness@3"):
        per_query(Run("r", {"q": ("a",)}), {"q": {"a": 1}}, parse_measures(["Gladness@3"]))


def test_a_measure_of_subtopics_is_refused_rather_than_computed_without_them() -> None:
    pytest.importorskip("ir_measures")
    with pytest.raises(InputError, match="second column of a TREC file"):
        per_query(Run("r", {"q": ("a",)}), {"q": {"a": 1}}, parse_measures(["alpha_nDCG@10"]))


SUBTOPICS = st.dictionaries(DOC_IDS, st.dictionaries(st.sampled_from("123"), st.integers(0, 1), min_size=2), min_size=2)


def alpha_dcg(doc_ids: Sequence[str], judged: Mapping[str, Mapping[str, int]], *, alpha: float) -> float:
    """Clarke et al., SIGIR 2008: a subtopic that was seen n times gains (1 - alpha) ** n."""
    seen: Counter[str] = Counter()
    value = 0.0
    for rank, doc_id in enumerate(doc_ids, 1):
        covered = [subtopic for subtopic, grade in judged.get(doc_id, {}).items() if grade]
        value += sum((1 - alpha) ** seen[subtopic] for subtopic in covered) / math.log2(rank + 1)
        seen.update(covered)
    return value


@settings(max_examples=50)
@given(SUBTOPICS, st.permutations(["a", "b", "c", "d1", "d2"]), st.permutations(["a", "b", "c", "d1", "d2"]))
def test_gain_of_subtopics_is_in_proportion_to_its_definition_at_every_alpha(
    subtopics: dict[str, dict[str, int]], first: list[str], second: list[str]
) -> None:
    pytest.importorskip("pyndeval")
    qrels = {"q": {doc_id: max(grades.values()) for doc_id, grades in subtopics.items()}}
    # asked for together, several settings of a measure give 0 for all but one in ir_measures
    names = {"alpha_nDCG(alpha=0.3)@5": 0.3, "alpha_nDCG(alpha=0.9)@5": 0.9}
    one, other = (
        per_query(Run("r", {"q": tuple(order)}), qrels, parse_measures(names), subtopics={"q": subtopics})
        for order in (first, second)
    )
    for name, alpha in names.items():
        ours, theirs = (alpha_dcg(order, subtopics, alpha=alpha) for order in (first, second))
        assert (one[name]["q"] > 0) == (ours > 0)
        assert one[name]["q"] * theirs == pytest.approx(other[name]["q"] * ours, abs=1e-9)


def test_the_other_spelling_of_alpha_ndcg_is_understood_and_its_best_order_is_1() -> None:
    pytest.importorskip("pyndeval")
    subtopics = {"q": {"a": {"1": 1}, "b": {"1": 1}, "c": {"2": 1}}}
    qrels = {"q": {"a": 1, "b": 1, "c": 1}}
    (measure,) = parse_measures(["alpha-nDCG@3"])
    assert str(measure) == "alpha_nDCG@3"
    orders = (("a", "c", "b"), ("a", "b", "c"))
    best, worse = (per_query(Run("r", {"q": order}), qrels, [measure], subtopics=subtopics) for order in orders)
    assert best[str(measure)]["q"] == pytest.approx(1.0)
    assert 0.9 < worse[str(measure)]["q"] < 1.0


def test_without_ir_measures_the_install_command_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[eval\]'"):
        per_query(Run("r", {"q": ("a",)}), {"q": {"a": 1}}, parse_measures(["ERR@3"]))


def test_what_is_unjudged_missing_or_tied_is_reported() -> None:
    run = Run("r", {"1": ("a", "x"), "2": ("b",), "9": ("c",)}, {"1": (1.0, 1.0), "2": (2.0,), "9": (1.0,)})
    found = audit(run, {"1": {"a": 1}, "2": {"b": 1}, "3": {"c": 1}})
    assert (found.missing, found.unjudged, found.judged_at_10, found.ties) == (("3",), ("9",), 0.75, 1)
    nothing = audit(Run("nothing", {"1": ()}), {"1": {"a": 1}})
    assert nothing.notes() == ("1 of 1 queries found nothing and count 0 (1)",)
    assert len(found.notes()) == 4
    assert audit(Run("r", {"1": ("a",)}), {"1": {"a": 1}}).notes() == ()


def test_a_run_of_another_collection_is_refused() -> None:
    with pytest.raises(InputError, match=r"share no query.*'a1' against '7'"):
        per_query(Run("r", {"a1": ("x",)}), {"7": {"x": 1}}, parse_measures(["AP"]))


def test_the_bm25_lists_of_trec_dl19_measure_as_published(data: Path) -> None:
    folder = data / "eval" / "trec_dl19"
    values = per_query(
        read_run(folder / "candidates" / "BM25.trec"), read_beir(folder).qrels, parse_measures(["nDCG@10"])
    )
    assert len(values["nDCG@10"]) == 43
    assert f"{mean(values['nDCG@10']):.4f}" == "0.5058"
    assert all(math.isfinite(value) for value in values["nDCG@10"].values())
