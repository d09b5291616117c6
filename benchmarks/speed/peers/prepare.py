"""Lay one cross-encoder's weights out as each peer wants to find them.

    PEERS_PYTHON -m benchmarks.speed.peers.prepare WEIGHTS OUT

WEIGHTS is a folder of transformers' with safetensors. `OUT/torch` is that folder with a tokenizer that neither
pads nor cuts, `OUT/onnx` what optimum exports of it (sentence-transformers and fastembed), `OUT/openvino` the
same in OpenVINO's format, and `OUT/flashrank` its int8 by dynamic quantisation, which FlashRank's own models are
(`_Q` in their names), under one of the names that FlashRank knows.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

FLASHRANK_NAME, FLASHRANK_FILE = "ms-marco-MiniLM-L-12-v2", "flashrank-MiniLM-L-12-v2_Q.onnx"
_SPECIAL = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}


def main(arguments: Sequence[str]) -> None:
    weights, out = Path(arguments[0]), Path(arguments[1])
    _plain(weights, out / "torch")
    _exported(out)
    _quantised(out / "onnx", out / "flashrank" / FLASHRANK_NAME)


def _plain(weights: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(weights / name, out / name)
    tokenizer = json.loads((weights / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"truncation": None, "padding": None}
    _write(out / "tokenizer.json", tokenizer)
    _write(out / "special_tokens_map.json", _SPECIAL)
    own = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    _write(out / "tokenizer_config.json", own | _SPECIAL)


def _exported(out: Path) -> None:
    from sentence_transformers import CrossEncoder

    for backend in ("onnx", "openvino"):
        model = CrossEncoder(str(out / "torch"), backend=backend, device="cpu", local_files_only=True)
        model.save_pretrained(str(out / backend))


def _quantised(source: Path, out: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "special_tokens_map.json", "tokenizer_config.json"):
        shutil.copy(source / name, out / name)
    quantize_dynamic(source / "onnx" / "model.onnx", out / FLASHRANK_FILE, weight_type=QuantType.QInt8)


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
