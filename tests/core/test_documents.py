"""What is taken for a query or a document, and what is refused with which words."""

from __future__ import annotations

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


def test_metadata_is_the_very_object_that_went_in() -> None:
    metadata = {"a": [1]}
    assert documents_of([{"text": "x", "metadata": metadata}])[0].metadata is metadata


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
