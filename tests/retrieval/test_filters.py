"""Filters as they are read and stored; what they find is among the checks of `shortlist.testing.stores`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.retrieval.filters import AnyOf, facets, parse


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
