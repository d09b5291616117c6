"""OpenVINO's first inference from several threads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino", reason="needs the extra 'openvino'")

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
