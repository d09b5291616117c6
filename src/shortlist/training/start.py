"""Weights to start from: a Hugging Face folder, or a packaged graph turned back into one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from shortlist._optional import require
from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.restored import restored
from shortlist.inference.models import ModelFolder, find_model


def starting_folder(name: str, scratch: Path) -> Path:
    """Return a folder of `config.json`, safetensors and `tokenizer.json` for a model's name, folder or `owner/name`.

    A packaged model holds only our own graph: its weights (fp16 or int8, as they ship) are read off that and
    written to `scratch`. Raises UnsupportedModelError for another graph, or for another
    architecture than BERT's, and as `find_model` does.
    """
    model = find_model(name)
    kind = model.config.get("model_type")
    if kind != "bert":
        raise UnsupportedModelError(f"{name} is a {kind} model; only those of BERT's architecture can be trained here")
    if any(model.path.glob("*.safetensors")):
        return model.path
    return _restored(model, scratch)


def _restored(model: ModelFolder, out: Path) -> Path:
    file = model.ready_made
    if file is None or file.suffix != ".onnx":
        raise UnsupportedModelError(f"{model.path} holds no safetensors to start from; name a folder that does")
    found = restored(file, model.config)
    out.mkdir(parents=True, exist_ok=True)
    require("safetensors.numpy", extra="train").save_file(dict(found.tensors), out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(found.config, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(model.path / "tokenizer.json", out / "tokenizer.json")
    return out
