"""Filters as they are read and stored; what they find is among the checks of `shortlist.testing.stores`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.retrieval.filters import AnyOf, facets, parse
from shortlist.types import Deadline


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


def test_numpys_numbers_are_numbers_in_filters_and_budgets() -> None:
    asked = {"year": np.int64(2019), "of": [np.float32(1.5), np.True_], "n": {"gte": np.int32(1), "lt": np.float32(2)}}
    assert parse(asked) == parse({"year": 2019, "of": [1.5, True], "n": {"gte": 1.0, "lt": 2.0}})
    budgets: list[Any] = [np.int64(5), np.float32(5)]
    assert [Deadline.after(budget).budget_ms for budget in budgets] == [5.0, 5.0]
    wrong: list[Any] = [True, np.True_, "5", float("nan")]
    for budget in wrong:
        with pytest.raises(InputError, match="must be a number of milliseconds"):
            Deadline.after(budget)


values = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


@given(st.text(min_size=1, max_size=5), values)
def test_what_is_stored_is_what_is_asked_for(field: str, value: Any) -> None:
    (condition,) = parse({field: value})
    assert isinstance(condition, AnyOf)
    assert set(condition.terms) <= set(facets({field: [value, "other"]}).terms)
    assert not set(condition.terms) & set(facets({f"{field}x": value}).terms)
