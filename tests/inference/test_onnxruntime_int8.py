"""Int8 on ONNX Runtime: what loading it does besides."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("onnx", reason="needs the extra 'hub'")

from shortlist.inference.models import find_model
from shortlist.inference.onnxruntime_int8 import quantized


def test_quantising_neither_warns_nor_sets_up_the_processs_logging(caplog: pytest.LogCaptureFixture) -> None:
    file = find_model("shortlist-minilm-l6").ready_made
    assert file is not None
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()  # as in a process that has set up none
    try:
        assert len(quantized(file)) < 50e6
        assert not root.handlers
    finally:
        root.handlers[:] = handlers
    with caplog.at_level(logging.WARNING):
        quantized(file)
    assert not caplog.records
