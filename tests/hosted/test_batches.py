"""What is sent in which call: properties of pure functions, and price lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shortlist.errors import SettingsError
from shortlist.scorers.hosted.batches import batches, estimated_tokens, sendable
from shortlist.scorers.hosted.prices import Price, find_price
from shortlist.wire import Limits, Usage

limits = st.builds(
    Limits,
    documents=st.none() | st.integers(1, 9),
    pair_tokens=st.none() | st.integers(1, 40),
    call_tokens=st.none() | st.integers(1, 90),
    call_bytes=st.none() | st.integers(1, 900),
)


@given(query=st.text(max_size=20), texts=st.lists(st.text(max_size=60), max_size=30), limits=limits)
@example(query="q", texts=["\t\\" * 60] * 20, limits=Limits(call_bytes=2_000))  # whose escapes double them
def test_batches_are_the_documents_in_order_and_none_but_a_single_one_is_too_large(
    query: str, texts: list[str], limits: Limits
) -> None:
    places = {i * 2: sendable(text, limits) for i, text in enumerate(texts)}
    found = list(batches(query, places, limits))
    assert [place for batch in found for place in batch] == list(places)
    for batch in found:
        assert batch
        assert len(batch) <= (limits.documents or 99)
        if len(batch) > 1:
            pairs = [estimated_tokens(query) + estimated_tokens(places[place]) for place in batch]
            assert sum(min(pair, limits.pair_tokens or 1e9) for pair in pairs) <= (limits.call_tokens or 1e9)
            sent = json.dumps([query, *(places[place] for place in batch)], ensure_ascii=False, separators=(",", ":"))
            assert len(sent.encode()) <= (limits.call_bytes or 1e9)


@given(text=st.text(st.characters(exclude_categories=())), limit=st.none() | st.integers(1, 9))
def test_what_is_sent_is_valid_unicode_within_the_limit(text: str, limit: int | None) -> None:
    sent = sendable(text, Limits(document_characters=limit))
    sent.encode("utf-8")
    assert len(sent) <= (limit or 1e9)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert text.startswith(sent)


@pytest.mark.parametrize(
    ("kind", "model", "usage", "cost"),
    [
        ("cohere", "rerank-v3.5", Usage(search_units=1), "0.00200000 USD"),
        ("voyage", "rerank-2.5-lite", Usage(total_tokens=50_000), "0.00100000 USD"),
        ("jina", "jina-reranker-v2-base-multilingual", Usage(total_tokens=50_000), "0.00250000 USD"),
    ],
)
def test_the_packaged_price_list_is_dated(kind: str, model: str, usage: Usage, cost: str) -> None:
    price = find_price(kind, model)
    assert price is not None
    assert price.cost(usage) == f"{cost} (prices of {price.as_of})"


def test_what_has_no_known_price_has_none() -> None:
    assert [find_price(kind, "any") for kind in ("cohere", "jina", "voyage", "tei")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cohere = 5", r"\[cohere\] must be a table"),
        ("[cohere]\nmodels = { m = 'x' }", "the price of 'm' must be a number from 0, got 'x'"),
        ("[cohere]\nmodels = { m = -1 }", "must be a number from 0"),
        ("[cohere]\nper = 'call'\nmodels = { m = 1 }", "per must be one of 1000 search units, 1000000 tokens"),
        ("[cohere", "no valid TOML"),
    ],
)
def test_a_bad_price_list_is_explained(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        find_price("cohere", "m", file=file)
    with pytest.raises(SettingsError, match="cannot read the price list"):
        find_price("cohere", "m", file=tmp_path / "none.toml")


def test_a_cost_is_of_what_is_billed() -> None:
    by_tokens = Price(0.05, "USD", "1000000 tokens", "2026-01-02")
    assert by_tokens.cost(Usage(total_tokens=2_000_000)) == "0.10000000 USD (prices of 2026-01-02)"
    assert by_tokens.cost(Usage(search_units=5)) == ""
