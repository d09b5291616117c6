"""OpenVINO's first inference from several threads at once, and what its outputs are called."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from shortlist.inference.batches import Batch
from shortlist.inference.models import find_model
from shortlist.inference.openvino import OpenVinoSession, own_name
from shortlist.inference.session import Precision

pytest.importorskip("openvino", reason="needs the extra 'openvino'")

PRECISIONS = (Precision.FP32, Precision.AUTO, Precision.INT8)

FIRST_USE = """
import sys, threading
import numpy as np
from shortlist.inference.batches import Batch
from shortlist.inference.models import find_model
from shortlist.inference.openvino import OpenVinoSession

sys.setswitchinterval(1e-6)
session = OpenVinoSession.load(find_model("all-minilm-l6-v2").path / "model.onnx", threads=4)
together, ids = threading.Barrier(4), np.ones((1, 4), np.int64)
batch = Batch(ids, ids, ids)

def infer():
    together.wait()
    session.infer(batch)

threads = [threading.Thread(target=infer, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("attempt", range(6))
def test_threads_that_come_first_together_do_not_wait_for_each_other(attempt: int) -> None:
    """The bindings' one-time look-up of numpy hung in one of three processes before it was made while loading."""
    subprocess.run([sys.executable, "-c", FIRST_USE], check=True, timeout=120)


def test_what_was_compiled_for_one_precision_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO's own cache takes fp32 for bf16, whose scores were NaN then, and bf16 for fp32."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ids = np.arange(1000, 1032)[None]
    batch, file = (
        Batch(ids, np.ones_like(ids), np.zeros_like(ids)),
        find_model("shortlist-minilm-l6").path / "model.onnx",
    )
    first = {precision: OpenVinoSession.load(file, precision=precision).infer(batch) for precision in PRECISIONS}
    again = {precision: OpenVinoSession.load(file, precision=precision).infer(batch) for precision in PRECISIONS[::-1]}
    for precision in PRECISIONS:
        np.testing.assert_array_equal(again[precision], first[precision])
        np.testing.assert_allclose(first[precision], first[Precision.FP32], atol=0.1)


@dataclass(frozen=True)
class Port:
    """An output of a compiled graph, whose two names come in no certain order."""

    names: tuple[str, ...]
    of_the_result: str

    def get_names(self) -> tuple[str, ...]:
        return self.names

    def get_any_name(self) -> str:
        return self.names[0]

    def get_node(self) -> Port:
        return self

    def get_friendly_name(self) -> str:
        return self.of_the_result


@pytest.mark.parametrize("names", [("embeddings", "Div_233"), ("Div_233", "embeddings")])
def test_an_output_has_the_graphs_name_and_not_the_node_behind_it(names: tuple[str, ...]) -> None:
    assert own_name(Port(names, "embeddings/sink_port_0")) == "embeddings"
    assert own_name(Port(names[:1], "Result_7")) == names[0]
