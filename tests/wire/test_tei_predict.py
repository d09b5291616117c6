"""TEI's /predict, as its router reads `inputs` and writes its answer."""

from __future__ import annotations

from typing import Any

import pytest

from shortlist.errors import WireError
from shortlist.wire.tei_predict import PredictRequest, decode_request, encode_response


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"inputs": ["q", "d"]}, PredictRequest((("q", "d"),), is_batch=False)),
        ({"inputs": [["q", "d"]]}, PredictRequest((("q", "d"),), is_batch=True)),
        ({"inputs": [["q", "d"], ["r", ""]]}, PredictRequest((("q", "d"), ("r", "")), is_batch=True)),
        (
            {"inputs": ["q", "d"], "raw_scores": True, "truncate": False, "truncation_direction": "Left", "else": 1},
            PredictRequest((("q", "d"),), False, raw_scores=True, truncate=False, truncation_side="left"),
        ),
        (
            {"inputs": ["q", "d"], "raw_scores": None, "truncate": None},
            PredictRequest((("q", "d"),), is_batch=False),
        ),
    ],
)
def test_a_pair_and_a_batch_of_pairs_are_read(body: Any, expected: PredictRequest) -> None:
    assert decode_request(body) == expected


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ("one text", r"\$\.inputs: expected a pair of query and document"),
        (["one text"], r"\$\.inputs: expected a pair"),
        ([["q", "d"], ["one text"]], r"\$\.inputs\[1\]: expected a pair"),
        ([["q", "d"], "one text"], r"\$\.inputs\[1\]: expected a pair"),
        (["q", "d", "e"], r"\$\.inputs: expected a pair"),
        (["q", ["d"]], r"\$\.inputs\[1\]: expected a string"),
        ([["q", 5]], r"\$\.inputs\[0\]\[1\]: expected a string"),
        ([], r"\$\.inputs: expected a pair"),
        ([[]], r"\$\.inputs\[0\]: expected a pair"),
        ({"text": "q", "text_pair": "d"}, r"\$\.inputs: expected a list"),
        (None, r"\$\.inputs: expected a list"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(inputs: Any, path: str) -> None:
    with pytest.raises(WireError, match=path):
        decode_request({"inputs": inputs})


def test_a_pair_is_answered_by_its_labels_and_a_batch_by_a_list_of_each_pairs() -> None:
    one, batch = decode_request({"inputs": ["q", "d"]}), decode_request({"inputs": [["q", "d"], ["q", "e"]]})
    assert encode_response([0.5], one) == [{"score": 0.5, "label": "LABEL_0"}]
    assert encode_response([0.5, 0.25], batch) == [
        [{"score": 0.5, "label": "LABEL_0"}],
        [{"score": 0.25, "label": "LABEL_0"}],
    ]
