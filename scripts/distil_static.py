"""Distil static embeddings from a bi-encoder: `python scripts/distil_static.py FOLDER`, then `--encoder FOLDER`.

    python scripts/distil_static.py FOLDER --texts pairs.jsonl.gz notes.txt

Takes about a minute of one core for the packaged encoder, and with texts some minutes more: the table is then fitted
to the encoder's vectors of them, which makes it better on texts like them. Files hold JSON (query, passage, text) or
a text a line, gzipped or not; passages are cut into one to three sentences. Texts are then encoded without a
transformer: many times faster, and worse (docs/scale.md has both figures).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.models import find_model
from shortlist.inference.static import distilled, save_static

_CHARACTERS = 600


def pieces(file: Path, chance: random.Random) -> Iterator[str]:
    """Give each query, and of each passage one run of one to three sentences."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line) if ".jsonl" in file.suffixes else {"text": line}
            if "query" in row:
                yield row["query"]
            for text in (row[name] for name in ("passage", "text") if name in row):
                sentences = re.split(r"(?<=[.?!])\s+", text)
                first = chance.randrange(len(sentences))
                yield " ".join(sentences[first : first + chance.randint(1, 3)])[:_CHARACTERS]


def drawn(files: list[Path], at_most: int) -> list[str]:
    """Return so many different texts, a like share of each file, in a seeded order."""
    chance = random.Random(0)
    found: list[str] = []
    for file in files:
        texts = list(dict.fromkeys(text.strip() for text in pieces(file, chance) if text.strip()))
        chance.shuffle(texts)
        found += texts[: at_most // len(files)]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="all-minilm-l6-v2")
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--texts", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--at-most", type=int, default=60_000, help="texts that are drawn of the files")
    options = parser.parse_args()
    texts = drawn(options.texts, options.at_most)
    with closing(BiEncoder.load(options.encoder)) as encoder:
        tokenizer = encoder.tokenizer
        table = distilled(
            encoder,
            vocabulary=tokenizer.vocabulary,
            special=tokenizer.special_ids,
            dimension=options.dimension,
            texts=[ids[: encoder.room] for ids in tokenizer.encode(texts)] if texts else [],
            watch=lambda done, total: print(f"{done} of {total} tokens and texts", flush=True),
        )
        made_by = f"scripts/distil_static.py --encoder {options.encoder} --dimension {options.dimension}"
        name = save_static(
            options.folder,
            table,
            tokenizer=find_model(options.encoder).path / "tokenizer.json",
            source=encoder.fingerprint,
            made_by=f"{made_by}, fitted to {len(texts)} texts" if texts else made_by,
        )
    print(f"{options.folder}: {name}")
