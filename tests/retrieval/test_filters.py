from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.retrieval import BM25, Index
from shortlist.retrieval.filters import AnyOf, facets, parse
from shortlist.types import Document, Query

METADATA: list[dict[str, Any]] = [
    {"lang": "en", "year": 2019, "tags": ["a", "b"], "ok": True},
    {"lang": "de", "year": 2020.5, "tags": ["b"], "author": {"name": "Ada"}},
    {"lang": "en", "year": 2021, "ok": False, 'we"ird. ключ': "ü", "none": None},
    {},
]


@pytest.fixture(scope="module")
def filled(module_index: Index) -> Index:
    module_index.upsert([Document("same words", str(i), metadata=m) for i, m in enumerate(METADATA)])
    return module_index


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"lang": "en"}, "02"),
        ({"lang": ["en", "de"]}, "012"),
        ({"lang": "en", "ok": True}, "0"),
        ({"ok": False}, "2"),
        ({"tags": "b"}, "01"),
        ({"year": {"gte": 2019, "lt": 2021}}, "01"),
        ({"year": {"gt": 2019}}, "12"),
        ({"year": {"lte": 2019}}, "0"),
        ({"year": 2019.0}, "0"),
        ({"year": "2019"}, ""),
        ({"ok": 1}, ""),
        ({"author.name": "Ada"}, "1"),
        ({'we"ird. ключ': "ü"}, "2"),
        ({"none": None}, "2"),
        ({"absent": "x"}, ""),
        ({}, "0123"),
        (None, "0123"),
    ],
)
def test_filters_find_and_count(filled: Index, where: dict[str, Any] | None, found: str) -> None:
    ranking = BM25(filled, where=where).retrieve(Query("words"), depth=10)
    assert sorted(ranking.doc_ids) == list(found)
    assert filled.count(where) == len(found)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"year": {"above": 3}}, "gt, gte, lt, lte"),
        ({"year": {}}, "gt, gte, lt, lte"),
        ({"year": {"gt": "2019"}}, "finite numbers"),
        ({"year": {"gt": True}}, "finite numbers"),
        ({"year": {"gt": float("nan")}}, "finite numbers"),
        ({"lang": []}, "empty list"),
        ({"lang": [["en"]]}, "give text"),
        ({3: "en"}, "must be a string"),
        ("lang=en", "must be a mapping"),
    ],
)
def test_bad_filters_say_what_is_known(where: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(where)


values = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


@given(st.text(min_size=1, max_size=5), values)
def test_what_is_stored_is_what_is_asked_for(field: str, value: Any) -> None:
    (condition,) = parse({field: value})
    assert isinstance(condition, AnyOf)
    assert set(condition.terms) <= set(facets({field: [value, "other"]}).terms)
    assert not set(condition.terms) & set(facets({f"{field}x": value}).terms)


def test_filters_hold_after_an_update(index: Index) -> None:
    index.upsert([Document("same words", str(i), metadata=m) for i, m in enumerate(METADATA)])
    index.upsert([Document("same words", "0", metadata={"lang": "fr"})])
    assert index.count({"lang": "en"}) == 1
    assert index.count({"lang": "fr"}) == 1
