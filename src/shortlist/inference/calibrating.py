"""An int8 graph, written for good or not at all, with ranges of activations from given inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shortlist.inference.batches import Batch, pad, plan_batches
from shortlist.inference.engine import TOKEN_BUDGET
from shortlist.inference.tokens import ModelInput

CALIBRATED = Path("int8") / "model.xml"
"""Where a model's folder keeps its graph with int8 products, if it was calibrated on texts of its own."""


def write_calibrated(file: Path, inputs: Sequence[ModelInput], out: Path, *, pad_id: int) -> Path:
    """Write the graph of `file` with int8 products to `out`, and return that: .xml with its .bin, or .onnx."""
    save: Callable[[Path, Sequence[Batch], Path], object]
    if out.suffix == ".onnx":
        from shortlist.inference.onnxruntime_static import save_quantised as save
    else:
        from shortlist.inference.openvino_int8 import save_quantised as save

    # every product's input is an output then, and small batches keep that small
    plan = plan_batches([len(one) for one in inputs], token_budget=TOKEN_BUDGET // 4)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        made = Path(scratch) / out.name
        save(file, [pad([inputs[place] for place in places], pad_id=pad_id) for places in plan], made)
        for part in sorted(Path(scratch).iterdir()):  # .bin before .xml, which is what is looked for
            part.replace(out.parent / part.name)
    return out
