"""Users' data: what is read, what is refused, and that the rows are named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from shortlist.errors import InputError
from shortlist.protocols import Role, Vectors
from shortlist.training.blending import with_offset
from shortlist.training.building import Building, groups_of
from shortlist.training.examples import Asked, Examples, Judged, read_examples
from shortlist.training.groups import Group
from shortlist.training.negatives import Filter, Miner, Window
from shortlist.training.teaching import taught_by
from shortlist.types import Document, DocumentVector, Query, Ranking, ScoreKind, Scores, Step, TokenIds


def file(folder: Path, *rows: Any, name: str = "pairs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def pair(query: str, passage: str, **more: Any) -> dict[str, Any]:
    return {"query": query, "passage": passage, **more}


def test_pairs_triplets_and_lists_are_read_alike(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        pair("a", "yes", label=1),
        pair("a", "no", label=0, title="Title"),
        {"query": "b", "positive": "yes", "negatives": ["no", "never"], "scores": [3, 1, 0]},
        {"query": "c", "passages": ["yes", "no"], "teacher": [0.9, 0.1]},
    )
    found = read_examples([path])
    assert found.warnings == []
    assert [[(p.text, p.label, p.score) for p in asked.passages] for asked in found.asked] == [
        [("yes", 1, None), ("Title\nno", 0, None)],
        [("yes", 1, 3), ("no", 0, 1), ("never", 0, 0)],
        [("yes", 1, 0.9), ("no", 0, 0.1)],
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        (['{"query": \n'], r"row 1: "),
        (
            [pair("a", "x"), {"question": "q", "text": "t"}],
            r"row 2: has no text 'query'; its fields are question, text",
        ),
        ([pair("a", "x"), {"query": "q", "text": "t"}], r"row 2: has neither 'passage'"),
        ([pair("a", "x", label="high")], r"row 1: 'label' must be a finite number, not 'high'"),
        ([pair("a", "x", label=-1)], r"row 1: has a label below 0"),
        ([pair("a", "x", label=float("nan"))], r"row 1: 'label' must be a finite number, not nan"),
        ([{"query": "q", "passage": []}], r"row 1: 'passage' must be one text; got 0"),
        ([{"query": "q", "passage": ["a", "b"]}], r"row 1: 'passage' must be one text; got 2"),
        ([{"query": "q", "positive": "a", "negatives": {"b": 1}}], r"row 1: 'negatives' must be a text or a list"),
        ([["a", "x"]], "row 1: is no object but list"),
        ([{"query": "q", "positive": "a", "negatives": ["b"], "scores": [1]}], r"a list of 2 finite numbers"),
        ([pair("a", "x", negatives=["n"])], "row 1: 'negatives' cannot stand beside 'passage', which takes 'label', "),
        ([pair("a", "x", labels=0)], "row 1: 'labels' cannot stand beside 'passage'"),
        ([pair("a", "x", positive="y")], "row 1: 'passage' cannot stand beside 'positive'"),
        ([{"query": "q", "passages": ["a", "b"], "label": [0, 1]}], "row 1: 'label' cannot stand beside 'passages'"),
        ([{"query": "q", "positive": "a", "teacher": [3], "title": "t"}], "row 1: 'teacher', 'title' cannot stand"),
        ([{"query": "q", "passages": ["a"], "teacher": [3], "scores": [1]}], "row 1: 'teacher' and 'scores' are two"),
        ([pair("a", "x", label=None)], "row 1: 'label' is null"),
        ([{"query": "q", "passages": ["a", "b"], "labels": None}], "row 1: 'labels' is null"),
        ([pair("a", "x", label=10**400)], "row 1: 'label' must be a finite number"),
        ([pair("a", "x", title=3)], "row 1: 'title' must be a text, not 3"),
        ([{"query": "q", "passages": []}], "row 1: has no passages: 'passages' is empty"),
        ([{"query": "q", "positive": [], "negatives": []}], "row 1: has no passages"),
        (["\n", '{"query": "a", "passage": ' + "[" * 100_000 + "]" * 100_000 + "}"], "row 2: maximum recursion"),
        ([pair("a", "x"), pair("b", "x")], "all 2 rows have the same passage"),
        ([pair("a", "x", label=0), pair("b", "y", label=0)], "all labels of 2 rows are 0"),
        ([pair("a", " "), pair("", "y")], r"none is left to learn from: .*row 1.*row 2"),
    ],
)
def test_data_that_cannot_be_used_are_refused_by_their_rows(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_examples([file(tmp_path, *rows)])


def test_what_a_language_models_order_was_recorded_as_is_read(tmp_path: Path) -> None:
    """`PermutationRecorder` writes groups, which have a teacher and an empty list of labels."""
    order = file(tmp_path, asdict(Group("q", ("a", "b", "c"), (1.0, 0.0, -1.0), "m")))
    found = read_examples([order])
    assert found.warnings == []
    (asked,) = found.asked
    assert [(one.text, one.label, one.score) for one in asked.passages] == [("a", 1, 1), ("b", 0, 0), ("c", 0, -1)]


def test_fields_of_another_form_may_stand_there_empty(tmp_path: Path) -> None:
    """As tables of mixed forms are written, with a null in every column that a row has nothing for."""
    path = file(
        tmp_path,
        pair("a", "yes", positive=None, negatives=None, label=1, title=None, score=None),
        {"query": "b", "passage": None, "positive": "yes", "negatives": ["no"], "label": None, "title": None},
        {"query": "c", "passage": None, "positive": "yes", "negatives": None, "label": None, "title": None},
    )
    found = read_examples([path])
    assert [[one.text for one in asked.passages] for asked in found.asked] == [["yes"], ["yes", "no"], ["yes"]]


def test_a_file_in_another_encoding_is_refused_by_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_bytes('{"query": "a", "passage": "b"}\n{"query": "Größe", "passage": "Maße"}\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"1 rows are no valid JSON in UTF-8: old\.jsonl row 2: .*0xf6"):
        read_examples([path])


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f'{{"query": "{n**9}", "passage": "b"}}\n' for n in range(999)).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:500] + bytes(500) + whole[1000:])
    with pytest.raises(InputError, match=r"cannot read .*cut\.jsonl\.gz"):
        read_examples([tmp_path / "cut.jsonl.gz"])


def test_of_several_files_a_repeated_pair_names_both_places(tmp_path: Path) -> None:
    one = file(tmp_path, pair("q", "a"), pair("q", "b", label=0), name="one.jsonl")
    other = file(tmp_path, pair("r", "c"), pair("q", "b", label=0), name="other.jsonl")
    assert read_examples([one, other]).warnings == ["a pair is repeated: other.jsonl row 2 (as one.jsonl row 2)"]


def test_what_can_be_borne_is_a_warning_that_names_rows(tmp_path: Path) -> None:
    evaluation = file(tmp_path, {"_id": "1", "text": "How high?"}, name="queries.jsonl")
    path = file(
        tmp_path,
        pair("how  HIGH", "330 metres"),
        pair("a", "yes"),
        pair("a", "yes"),
        pair("a", "yes", label=0),
        pair("a", ""),
        pair("b", "b"),
        pair("b", "other", label=0, lable=1),
        pair("c", "never", label=0),
    )
    found = read_examples([path], evaluation=[evaluation])
    assert [asked.query for asked in found.asked] == ["a", "b", "c"]
    assert found.asked[0].passages == [Judged("yes", 1.0, None, 2)]
    said = "\n".join(found.warnings)
    for text in (
        "one of the evaluation's, the row was left out: row 1",
        "repeated: row 3 (as row 2)",
        "another label than before, which is the one kept: row 4 (as row 2)",
        "empty and was left out: row 5",
        "the query itself: row 6",
        "the field 'lable' is not read: row 7",
        "a query without a relevant passage teaches nothing: row 8",
    ):
        assert text in said


class Listed:
    """A retriever that always finds the same."""

    def __init__(self, *texts: str) -> None:
        self.documents = [Document(text, text) for text in texts]

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        return Ranking.in_order(query, self.documents[:depth])


class Known:
    """An encoder of three texts."""

    fingerprint, dimension = "known", 2
    vectors: ClassVar = {"copy 1": [1.0, 0.0], "good 10": [0.99, 0.1], "other 2": [0.0, 1.0]}

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        self.read += texts
        return np.asarray([self.vectors[text] for text in texts], np.float32)


class Numbers:
    """Scores a text by the number in it."""

    fingerprint = "numbers"

    def score(self, query: Query, documents: Any) -> Scores:
        values = np.asarray([float(d.text.split()[-1]) for d in documents], np.float32)
        return Scores(values, ScoreKind.LOGIT, Step("numbers"))


ASKED = Asked("q", [Judged("good 10", 1.0, None, 1)])


def test_negatives_come_from_their_ranks_and_not_from_what_is_probably_relevant() -> None:
    found = Listed("easy 0", "good 10", "likely 9.8", "hard 5", "harder 6", "late 1")
    miner = Miner([Window(found, 2, 5, 2)], keep=Filter(Numbers(), 0.9), encoder=None)
    assert sorted(miner.negatives(ASKED)) == ["hard 5", "harder 6"]
    assert (miner.mined.candidates, miner.mined.duplicates, miner.mined.filtered) == (4, 1, 1)


def test_the_current_model_adds_those_that_it_finds_hardest() -> None:
    found = Listed(*(f"text {n}" for n in range(9)))
    miner = Miner([Window(found, 1, 9, 0)], keep=Filter(Numbers(), 1.0, hardest=2), encoder=None)
    assert miner.negatives(ASKED) == ["text 8", "text 7"]


def test_the_same_seed_draws_the_same_negatives() -> None:
    found = Listed(*(f"text {n}" for n in range(30)))
    drawn = [Miner([Window(found, 1, 30, 4)], keep=None, encoder=None).negatives(ASKED) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 4


def test_a_near_copy_of_the_positive_is_no_negative() -> None:
    miner = Miner([Window(Listed("copy 1", "other 2"), 1, 2, 2)], keep=None, encoder=Known())
    assert miner.negatives(ASKED) == ["other 2"]


def test_what_an_index_holds_of_a_candidate_is_not_computed_again() -> None:
    class Watched(Numbers):
        seen: Sequence[Document] = ()

        def score(self, query: Query, documents: Any) -> Scores:
            self.seen = documents
            return super().score(query, documents)

    encoder, scorer, found = Known(), Watched(), Listed("copy 1", "other 2")
    vectors = [DocumentVector("known", np.asarray(encoder.vectors[d.text], np.float32)) for d in found.documents]
    tokens = TokenIds("words", np.asarray([7], np.int32))
    found.documents = [replace(d, vector=v, tokens=tokens) for d, v in zip(found.documents, vectors, strict=True)]
    miner = Miner([Window(found, 1, 2, 2)], keep=Filter(scorer), encoder=encoder)
    assert miner.negatives(ASKED) == ["other 2"]
    assert encoder.read == ["good 10"]
    assert [document.tokens is tokens for document in scorer.seen] == [False, True]


def test_each_positive_is_alone_among_negatives_or_all_stand_together() -> None:
    passages = [Judged("best", 2, None, 1), Judged("fair", 1, None, 2), *(Judged(n, 0, None, 3) for n in "abc")]
    examples = Examples([Asked("q", passages)], 3, [])
    apart = list(groups_of(examples, Building(negatives=2), None))
    assert [(g.passages, g.labels) for g in apart] == [
        (("best", "a", "b"), (1.0, 0.0, 0.0)),
        (("fair", "c", "a"), (0.5, 0.0, 0.0)),
    ]
    (whole,) = groups_of(examples, Building(together=True), None)
    assert whole.labels == (1.0, 0.5, 0.0, 0.0, 0.0)
    assert list(groups_of(Examples([ASKED], 1, []), Building(), None)) == []


def test_without_irrelevant_passages_those_of_a_lower_grade_stand_beside_a_positive() -> None:
    graded = Asked("q", [Judged("fair", 1, None, 1), Judged("best", 4, None, 2), Judged("good", 2, None, 3)])
    made = groups_of(Examples([graded], 3, []), Building(), None)
    assert [(g.passages, g.labels) for g in made] == [
        (("best", "good", "fair"), (1.0, 0.5, 0.25)),
        (("good", "fair"), (0.5, 0.25)),
    ]


def test_scores_of_a_teacher_stay_where_it_has_not_scored_all() -> None:
    asked = Asked("q", [Judged("good 10", 1, 3.0, 1), Judged("bad", 0, -1.0, 1), Judged("new", 0, None, 2)])
    miner = Miner([Window(Listed("mined"), 1, 1, 1)], keep=None, encoder=None)
    (group,) = groups_of(Examples([asked, ASKED], 2, []), Building(), miner=None)
    assert group.teacher == (3.0, -1.0, None)
    both = list(groups_of(Examples([asked, ASKED], 2, []), Building(), miner))
    assert [one.teacher for one in both] == [(3.0, -1.0, None, None), ()]


class Backwards:
    """A reranker that turns the order around."""

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        return Ranking.in_order(candidates.query, candidates.documents[::-1])


def test_teachers_of_any_scale_and_kind_are_averaged_after_standardising() -> None:
    groups = [Group("q", ("a 1", "b 2", "c 3"), (), "s"), Group("r", ("d 30", "e 10"), (), "s")]
    teachers: list[list[Any]] = [[Numbers()], [Backwards()], [Numbers(), Backwards()]]
    one, alone, both = (np.asarray(taught_by(groups, some)[0].teacher, np.float64) for some in teachers)
    assert one[0] < one[1] < one[2]
    assert alone[2] > alone[0]
    assert both == pytest.approx((one + alone) / 2, abs=1e-4)


def test_a_blends_other_parts_stand_beside_the_groups() -> None:
    (group,) = with_offset([Group("q", ("a 1", "b 2"), (), "s")], [(Numbers(), 3.0)])
    assert group.offset == (3.0, 6.0)
