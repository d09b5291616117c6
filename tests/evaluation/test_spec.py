"""The names of systems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.evaluation.spec import StageSpec, SystemSpec, parse_system, parse_systems

MODELS = st.builds(
    StageSpec,
    st.sampled_from(["shortlist-l6", "owner/name-v2.1", "./folder", "a"]),
    st.integers(0, 500),
    st.dictionaries(
        st.sampled_from(["precision", "kind", "max_length"]), st.sampled_from(["int8", "5", "x-y"]), max_size=2
    ),
)
FIRST = st.builds(
    StageSpec, st.sampled_from(["bm25", "dense", "hybrid", "weighted", "run:a/b.trec"]), st.integers(1, 999)
)


@given(FIRST, st.lists(MODELS, max_size=3), st.sampled_from(["", "a label", "BM25 + x"]))
def test_a_spelling_round_trips(first: StageSpec, models: list[StageSpec], label: str) -> None:
    plain = SystemSpec("", first, tuple(models))
    spec = SystemSpec(label or plain.stages, first, tuple(models))
    assert parse_system(str(spec)) == spec


def test_a_cascade_with_depths_options_and_a_label_is_read() -> None:
    spec = parse_system(" two = bm25 >small@50 [ precision = fp32 ]>  owner/big@10")
    assert (spec.name, spec.first) == ("two", StageSpec("bm25", 100))
    assert spec.models == (StageSpec("small", 50, {"precision": "fp32"}), StageSpec("owner/big", 10))


def test_a_run_is_taken_whole_unless_a_depth_is_named() -> None:
    assert parse_system("run:x.trec").first == StageSpec("run:x.trec")
    assert parse_system("run:x.trec@20").first.depth == 20
    assert parse_system("run:dir/x.trec").first.run_file == "dir/x.trec"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bm52", "did you mean 'bm25'"),
        ("shortlist-l6", "must begin with one of bm25"),
        ("", "cannot read the stage ''"),
        ("bm25 > ", "cannot read the stage ''"),
        ("bm25@0", "counts documents from 1"),
        ("bm25[precision=int8]", "a first stage takes no options"),
        ("bm25 > a[precision]", "write option=value"),
        ("bm25 > a[kind=x,kind=y]", "each option once"),
        ("bm25 > a[kind=x", "cannot read the stage"),
    ],
)
def test_a_wrong_spelling_is_refused_with_the_way_out(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_system(text)
    assert hint in str(caught.value)


def test_two_systems_of_one_name_and_no_system_are_refused() -> None:
    with pytest.raises(InputError, match="two systems are called 'bm25@100'"):
        parse_systems(["bm25", "bm25@100"])
    with pytest.raises(InputError, match="called 'x'; give one a label: 'another = bm25@100 > a'"):
        parse_systems(["x = bm25 > a", "x = dense"])
    with pytest.raises(InputError, match="no system was named"):
        parse_systems([])
