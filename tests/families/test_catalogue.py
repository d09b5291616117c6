"""The catalogue is well formed, and says only what can be true."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from shortlist.catalogue import Entry, find_entry, nearest_names, read_catalogue
from shortlist.passages.windows import LongDocuments
from shortlist.scorers.registry import scorer_kinds
from shortlist.weights import packaged_models

KINDS = {*scorer_kinds(), "causal-lm", "seq2seq"}
TEMPLATES = {"qwen3", "bge-gemma", "mxbai-v2", "bge-layerwise"}
entries = pytest.mark.parametrize("entry", read_catalogue(), ids=lambda entry: entry.name)


@entries
def test_an_entry_can_be_acted_on(entry: Entry) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub)
    assert entry.hub.endswith(f"/{entry.name}")
    assert entry.kind in KINDS
    assert re.fullmatch(r"([0-9a-f]{40})?", entry.revision)
    assert entry.max_length >= 512
    assert 1_000_000 < entry.parameters < 20_000_000_000
    assert entry.languages
    assert set(entry.needs) <= {"hub", "torch"}
    assert ("torch" in entry.needs) == (entry.kind in {"causal-lm", "seq2seq"})
    assert entry.activation in {"identity", "sigmoid", "log softmax"}


@entries
def test_its_options_are_known_where_they_go(entry: Entry) -> None:
    assert set(entry.options) <= {"template", "long_documents", "max_length"}
    if entry.kind == "causal-lm" and not entry.unsupported:
        assert entry.options["template"] in TEMPLATES
    if "long_documents" in entry.options:
        LongDocuments(entry.options["long_documents"])


@entries
def test_its_licence_and_its_published_scores_are_stated(entry: Entry) -> None:
    assert entry.licence
    assert entry.commercial == ("NC" not in entry.licence)
    for pair in entry.reference:
        assert pair.source
        assert 0 < pair.tolerance <= 0.05


def test_no_name_means_two_models() -> None:
    names = Counter(name.lower() for entry in read_catalogue() for name in set(entry.names))
    names.update(model.name.lower() for model in packaged_models())
    assert [name for name, count in names.items() if count > 1] == []


def test_names_are_found_whatever_their_capitals() -> None:
    found = {find_entry(name) for name in ("bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3", "BGE-Reranker-V2-M3")}
    assert {entry.name for entry in found if entry is not None} == {"bge-reranker-v2-m3"}
    assert find_entry("someone/bge-reranker-v2-m3") is None
    assert find_entry("bge-reranker") is None


def test_misspelt_names_find_their_nearest() -> None:
    assert nearest_names("qwen3-reranker-06b")[0] == "Qwen3-Reranker-0.6B"
    assert nearest_names("BAAI/bge-rerankr-large")[0] == "bge-reranker-large"
    assert nearest_names("shortlst-l6", ["shortlist-l6"]) == ("shortlist-l6",)
    assert nearest_names("zzzz") == ()
