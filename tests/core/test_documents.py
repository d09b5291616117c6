"""What is taken for a query or a document, and what is refused with which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.types import Document, Place, Query
from shortlist.types.document import documents_of


def test_strings_mappings_and_documents_are_taken() -> None:
    own = Document("c", "mine")
    first, second, third = documents_of(["a", {"text": "b", "id": 7, "title": "T", "year": 1999}, own])
    assert (first.text, first.doc_id) == ("a", "0")
    assert (second.doc_id, second.full_text, second.metadata) == ("7", "T\nb", {"year": 1999})
    assert third is own


@pytest.mark.parametrize("doc_id", [5, None, True, 1.5, b"x", ["a"]])
def test_a_document_s_id_must_be_a_string(doc_id: object) -> None:
    message = rf"a document's id must be a string, not {type(doc_id).__name__}.*write it as one.*'some text'"
    with pytest.raises(InputError, match=message):
        Document("some text", doc_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 3, b"x", ["a"]])
@pytest.mark.parametrize("name", ["text", "title"])
def test_a_document_s_text_and_title_must_be_strings_and_its_id_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"document a7: the {name} must be a string, not {type(value).__name__}: "):
        Document(**{"text": "some text", "doc_id": "a7", name: value})


@pytest.mark.parametrize("doc_id", [True, 1.5, b"x", ["a"], {}])
def test_a_mapping_s_id_must_be_a_string_or_a_whole_number_and_the_place_is_named(doc_id: object) -> None:
    message = rf"document 1: 'id' must be a string, a whole number or a UUID, not {type(doc_id).__name__}"
    with pytest.raises(InputError, match=message):
        documents_of(["fine", {"text": "b", "id": doc_id}])


def test_who_has_no_id_is_named_by_his_place_and_whole_numbers_are_written_out() -> None:
    given: list[Any] = [
        "a",
        Document("b"),
        {"text": "c", "id": None},
        {"text": "d", "_id": ""},
        {"text": "e", "doc_id": None, "id": "mine"},
        {"text": "f", "id": np.int64(7)},
        {"text": "g", "id": -1},
        {"text": "h", "id": UUID(int=1)},
    ]
    named = ["0", "1", "2", "3", "mine", "7", "-1", "00000000-0000-0000-0000-000000000001"]
    assert [document.doc_id for document in documents_of(given)] == named


def test_a_name_by_place_is_never_the_id_of_another() -> None:
    given: list[Any] = ["a", {"text": "b", "id": 0}, Document("c", "#0"), {"text": "d", "id": 4}, Document("e")]
    assert [document.doc_id for document in documents_of(given)] == ["##0", "0", "#0", "4", "#4"]


def test_a_document_keeps_everything_else_when_it_is_named() -> None:
    place = Place("a.md", 1, 2)
    (named,) = documents_of([Document("a", title="T", metadata={"x": 1}, place=place)])
    assert named == Document("a", "0", "T", {"x": 1}, place)


def test_metadata_is_the_very_object_that_went_in() -> None:
    metadata = {"a": [1]}
    assert documents_of([{"text": "x", "metadata": metadata}])[0].metadata is metadata


def test_other_keys_of_a_mapping_stand_beside_its_metadata_which_wins() -> None:
    (document,) = documents_of([{"id": 8, "text": "x", "metadata": {"lang": "en", "year": 1}, "page": 12, "year": 2}])
    assert document.metadata == {"page": 12, "year": 1, "lang": "en"}
    assert documents_of([{"text": "x", "metadata": "none", "page": 12}])[0].metadata == {"metadata": "none", "page": 12}


@dataclass
class Foreign:
    """A document as LangChain has it."""

    page_content: Any
    metadata: Any
    id: str | None = None


def test_another_library_s_document_is_taken_and_one_without_a_text_is_refused_by_its_whole_name() -> None:
    metadata = {"page": 12}
    given: list[Any] = [Foreign("a", metadata), Foreign("b", {}, "mine"), Foreign("c", {}, "0")]
    taken = documents_of(given)
    assert [(document.text, document.doc_id) for document in taken] == [("a", "#0"), ("b", "mine"), ("c", "0")]
    assert taken[0].metadata is metadata
    with pytest.raises(InputError, match=r"not \S*test_documents\.Foreign \(document 0\)"):
        documents_of([Foreign(None, {})])  # type: ignore[list-item]


@given(st.one_of(st.integers(), st.none(), st.binary(), st.lists(st.text(), max_size=2)))
def test_another_type_is_refused_and_the_place_is_named(wrong: object) -> None:
    with pytest.raises(InputError, match="document 1"):
        documents_of(["fine", wrong])  # type: ignore[list-item]


def test_a_mapping_without_text_lists_its_keys() -> None:
    with pytest.raises(InputError, match=r"'text' must be a string.*'body'"):
        documents_of([{"body": "x"}])


def test_a_single_string_is_no_list_of_documents() -> None:
    with pytest.raises(InputError, match="put it in a list"):
        documents_of("a text")


def test_the_names_of_a_data_frames_columns_are_not_taken_for_documents() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"text": ["a", "b"], "title": ["x", "y"]})
    with pytest.raises(InputError, match=r"not pandas\..*DataFrame; of a data frame give one column"):
        documents_of(frame)
    assert [document.text for document in documents_of(frame["text"])] == ["a", "b"]
    assert [document.title for document in documents_of(frame.to_dict("records"))] == ["x", "y"]


def test_rows_whose_columns_are_a_method_are_no_data_frame() -> None:
    class Rows(list[dict[str, str]]):
        def columns(self, *names: str) -> None: ...

    assert [document.text for document in documents_of(Rows([{"text": "a"}, {"text": "b"}]))] == ["a", "b"]


def test_what_is_no_list_is_refused_by_its_type() -> None:
    nothing: Any = None
    with pytest.raises(InputError, match="must be a list of documents, not NoneType"):
        documents_of(nothing)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_query_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the query is empty"):
        Query(text)


def test_a_query_must_be_a_string() -> None:
    with pytest.raises(InputError, match="must be a string, not int"):
        Query(3)  # type: ignore[arg-type]


def test_a_place_reads_as_file_and_lines() -> None:
    assert str(Place("a/b.md", 3, 9, "Install")) == "a/b.md:3-9"
    assert str(Place("a.pdf")) == "a.pdf"
