"""What int8 on the native kernel is scaled by, which no AMX is needed to measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from families.tiny import HIDDEN, write_classifier
from shortlist.inference.export import export_onnx
from shortlist.inference.load import _calibration_inputs
from shortlist.inference.models import find_model
from shortlist.inference.native_peaks import measured_peaks
from shortlist.inference.ready_made import Head

pytest.importorskip("onnx", reason="needs the extra 'hub'")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("head", ["classification", "mean_pooling"])
def test_a_model_that_reads_less_than_a_passage_is_measured_on_what_it_reads(head: Head, tmp_path: Path) -> None:
    folder = find_model(write_classifier(tmp_path / "model"))  # 64 positions
    inputs = _calibration_inputs(folder, head)
    assert max(map(len, inputs)) == folder.max_length == 64
    found = {}
    for name, largest in (("one file", 10**9), ("a file of weights", 0)):
        graph = export_onnx(folder.path, tmp_path / name, head=head, weights="float32", largest_single_file=largest)
        found[name] = measured_peaks(graph.path, inputs, pad_id=0)
        assert [peak.shape for peak in (*found[name].qkv, *found[name].fed)] == 4 * [(HIDDEN,)]
    for one, other in zip(found["one file"].qkv, found["a file of weights"].qkv, strict=True):
        np.testing.assert_array_equal(one, other)
