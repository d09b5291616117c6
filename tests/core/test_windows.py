"""What of a long document is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.passages.windows import SHORT, LongDocuments, best_of, tokens_seen, windows

READING = st.sampled_from([how for how in LongDocuments if how is not LongDocuments.ERROR])


@given(st.integers(0, 5000), st.integers(8, 600), READING)
def test_every_reading_fits_and_lies_inside_the_document(total: int, room: int, how: LongDocuments) -> None:
    for spans in windows(total, room, how):
        assert sum(end - start for start, end in spans) <= room
        assert all(0 <= start <= end <= total for start, end in spans)


PASSAGES = st.sampled_from([LongDocuments.PASSAGES_MAX, LongDocuments.PASSAGES_80])


@given(st.integers(0, 5000), st.integers(8, 600), PASSAGES)
def test_passages_leave_no_token_unread(total: int, room: int, how: LongDocuments) -> None:
    read = {t for spans in windows(total, room, how) for a, b in spans for t in range(a, b)}
    assert read == set(range(total))


@given(st.integers(0, 600), READING.filter(lambda how: how is not LongDocuments.PASSAGES_SHORT))
def test_a_document_that_fits_is_read_once_and_whole(total: int, how: LongDocuments) -> None:
    assert windows(total, 600, how) == [[(0, total)]]


@given(st.integers(0, 5000), st.integers(8, 600))
def test_short_passages_are_of_what_the_head_has_alike_in_length_and_hardly_overlap(total: int, room: int) -> None:
    readings = windows(total, room, LongDocuments.PASSAGES_SHORT)
    spans, fits = [span for (span,) in readings], min(total, room)
    assert {t for start, end in spans for t in range(start, end)} == set(range(fits))
    assert len({end - start for start, end in spans}) == 1
    assert all(end - start <= SHORT for start, end in spans)
    assert sum(end - start for start, end in spans) <= fits * 8 / 7 + 2 * len(spans)


@given(st.integers(0, 5000), st.integers(8, 600), READING)
def test_tokens_in_several_readings_are_seen_once(total: int, room: int, how: LongDocuments) -> None:
    readings = windows(total, room, how)
    assert tokens_seen(readings) == len({t for spans in readings for start, end in spans for t in range(start, end)})


def test_head_and_tail_are_both_read() -> None:
    assert windows(100, 40, LongDocuments.HEAD_TAIL) == [[(0, 30), (90, 100)]]


def test_an_error_names_the_document_and_both_lengths() -> None:
    with pytest.raises(InputError, match="'d7' has 100 tokens and the model reads 40"):
        windows(100, 40, LongDocuments.ERROR, doc_id="d7")


def test_a_document_has_the_score_of_its_best_passage() -> None:
    best = best_of(np.asarray([1.0, 5.0, -3.0, 2.0], np.float32), [0, 0, 1, 0], 2)
    assert best.tolist() == [5.0, -3.0]


def test_a_passage_without_a_number_spoils_its_document_visibly() -> None:
    best = best_of(np.asarray([np.nan, 5.0, -3.0], np.float32), [0, 0, 1], 2)
    assert np.isnan(best[0])
    assert best[1] == -3.0
