"""A model's fingerprint: what is kept under it must never be another model's."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from families.tiny import Tensors, write_classifier, write_tensors
from shortlist.inference.identity import content_hash
from shortlist.inference.models import find_model
from shortlist.settings import DEFAULT_ENCODER


def tensors() -> Tensors:
    rng = np.random.default_rng(0)
    return {
        "words": rng.normal(size=(3000, 512)).astype(np.float32),  # 6 MB, before the small ones
        "layer.query": rng.normal(size=(384, 384)).astype(np.float32),
        "norm": np.ones(384, np.float32),
        "out_proj": rng.normal(size=(1, 384)).astype(np.float32),
    }


@pytest.mark.parametrize("changed", ["words", "layer.query", "norm", "out_proj"])
def test_every_tensor_of_large_safetensors_counts(changed: str, tmp_path: Path) -> None:
    for name, factor in (("before", 1), ("after", -1), ("again", 1)):
        made = tensors()
        made[changed] = made[changed] * factor
        write_tensors(tmp_path / f"{name}.safetensors", made)
    before, after, again = (content_hash(tmp_path / f"{name}.safetensors") for name in ("before", "after", "again"))
    assert before == again != after


def test_another_file_is_read_whole(tmp_path: Path) -> None:
    content = bytearray(np.random.default_rng(0).bytes(5_000_000))
    (tmp_path / "model.onnx").write_bytes(content)
    assert content_hash(tmp_path / "model.onnx") == hashlib.sha256(content).hexdigest()
    content[3_141_592] ^= 1
    (tmp_path / "other.onnx").write_bytes(content)
    assert content_hash(tmp_path / "other.onnx") == hashlib.sha256(content).hexdigest()


def test_a_copy_of_a_packaged_model_is_the_same_model_and_with_another_tokenizer_it_is_not(tmp_path: Path) -> None:
    packaged = find_model(DEFAULT_ENCODER)
    copy = shutil.copytree(packaged.path, tmp_path / "copy")
    assert find_model(str(copy)).fingerprint().partition("@")[2] == packaged.fingerprint().partition("@")[2]
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert find_model(str(copy)).fingerprint().partition("@")[2] != packaged.fingerprint().partition("@")[2]


@pytest.mark.parametrize("data", ["model.onnx.data", "model.onnx_data"])
def test_weights_that_stand_beside_their_graph_count(data: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"the graph of both")
    found = set()
    for weights in (b"one", b"other"):
        (tmp_path / data).write_bytes(weights)
        found.add(find_model(str(tmp_path)).fingerprint())
    assert len(found) == 2


def test_files_that_are_never_used_do_not_count(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path)
    alone = find_model(folder).fingerprint()
    (folder / "onnx").mkdir()
    for file in ("onnx/model_quantized.onnx", "pytorch_model.bin", "training_args.bin"):
        (folder / file).write_bytes(b"another form of the same")
    assert find_model(folder).fingerprint() == alone
    (folder / "onnx/model.onnx").write_bytes(b"this one would be taken")
    assert find_model(folder).fingerprint() != alone


def test_pickled_weights_count_where_there_are_no_others(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path)
    (folder / "model.safetensors").unlink()
    found = set()
    for weights in (b"one", b"other"):
        (folder / "pytorch_model.bin").write_bytes(weights)
        found.add(find_model(folder).fingerprint())
    assert len(found) == 2
