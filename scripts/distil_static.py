"""Distil static embeddings from a bi-encoder: `python scripts/distil_static.py FOLDER`, then `--encoder FOLDER`.

Takes about a minute of one core for the packaged encoder. Texts are then encoded without a transformer: many
times faster, and worse (docs/scale.md has both figures).
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.models import find_model
from shortlist.inference.static import distilled, save_static
from shortlist.inference.tokens import Tokenizer

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="all-minilm-l6-v2")
    parser.add_argument("--dimension", type=int, default=256)
    options = parser.parse_args()
    model = find_model(options.encoder)
    tokenizer = Tokenizer.load(model.path / "tokenizer.json")
    with closing(BiEncoder.load(options.encoder)) as encoder:
        table = distilled(
            encoder,
            vocabulary=tokenizer.vocabulary,
            special=tokenizer.special_ids,
            dimension=options.dimension,
            watch=lambda done, total: print(f"{done} of {total} tokens", flush=True),
        )
        made_by = f"scripts/distil_static.py --encoder {options.encoder} --dimension {options.dimension}"
        name = save_static(
            options.folder,
            table,
            tokenizer=model.path / "tokenizer.json",
            source=encoder.fingerprint,
            made_by=made_by,
        )
    print(f"{options.folder}: {name}")
