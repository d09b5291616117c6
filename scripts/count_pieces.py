"""Count in how many passages of the training groups each word piece stands, for BM25 without a collection.

python scripts/count_pieces.py --groups runs/l6/groups.jsonl.gz
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from shortlist.inference.tokens import Tokenizer
from shortlist.training.card import write_card
from shortlist.training.groups import read_groups
from shortlist.training.packaged import LICENCES

WEIGHTS = Path(__file__).parents[1] / "src/shortlist/weights"
TOKENIZER = "all-minilm-l6-v2"
OUT = WEIGHTS / "english-pieces"
BLOCK = 2000


def main() -> None:
    """Write inverse document frequencies as fp16 and the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=Path, required=True)
    options = parser.parse_args()
    passages = sorted({passage for group in read_groups(options.groups) for passage in group.passages})
    tokenizer = Tokenizer.load(WEIGHTS / TOKENIZER / "tokenizer.json")
    ids = [one for at in range(0, len(passages), BLOCK) for one in tokenizer.encode(passages[at : at + BLOCK])]
    pieces = len(json.loads((WEIGHTS / TOKENIZER / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
    frequency = np.bincount(np.concatenate([np.unique(one) for one in ids]), minlength=pieces)
    weights = np.log(1 + (len(ids) - frequency + 0.5) / (frequency + 0.5)).astype(np.float16)
    OUT.mkdir(exist_ok=True)
    np.save(OUT / "weights.npy", weights)
    card = {
        "name": OUT.name,
        "kind": "token-bm25",
        "family": "BM25",
        "licence": "Apache-2.0",
        "source": "counted by this project (scripts/count_pieces.py) over the passages of the training groups",
        "training_data": LICENCES,
        "tokenizer": TOKENIZER,
        "parameters": pieces,
        "max_length": None,
        "passages": len(ids),
        "mean_length": round(float(np.mean([len(one) for one in ids])), 1),
        "languages": ["en"],
    }
    write_card(OUT, card)


if __name__ == "__main__":
    main()
