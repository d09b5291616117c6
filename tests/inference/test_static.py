from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.build.models import load_encoder
from shortlist.errors import CorruptModelError, InputError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.static import distilled, save_static
from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.protocols import Role
from shortlist.settings import Settings
from shortlist.testing import check_encoder
from shortlist.weights import find_packaged

PACKAGED = find_packaged("all-minilm-l6-v2")
assert PACKAGED is not None
TOKENIZER = PACKAGED.folder / "tokenizer.json"


class Directions:
    """Every token has a direction of its own."""

    fingerprint = "directions"

    def encode_ids(self, ids: Sequence[Ids]) -> npt.NDArray[np.float32]:
        rows = np.array([np.random.default_rng(int(one[0])).standard_normal(48) for one in ids], np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Tokenizer.load(TOKENIZER)
    table = distilled(Directions(), vocabulary=tokenizer.vocabulary, special=tokenizer.special_ids, dimension=32)
    target = tmp_path_factory.mktemp("static") / "model"
    save_static(target, table, tokenizer=TOKENIZER, source="directions")
    return target


def test_a_static_model_is_an_encoder(folder: Path) -> None:
    encoder = load_encoder(Settings(encoder=str(folder)))
    check_encoder(encoder)
    assert encoder.dimension == 32
    assert encoder.fingerprint.startswith("static-32@")


def test_a_vector_is_the_weighted_mean_of_the_tokens(folder: Path) -> None:
    encoder, table = BiEncoder.load(str(folder)), np.load(folder / "table.npy").astype(np.float32)
    (ids,) = Tokenizer.load(TOKENIZER).encode(["cat sat mat"])
    cat, both = encoder.encode(["cat", "cat sat mat"], role=Role.DOCUMENT)
    mean = table[ids].mean(axis=0)
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-5)
    frequent = encoder.encode(["cat the the"], role=Role.DOCUMENT)[0]
    assert frequent @ cat > 0.99  # a frequent token hardly counts
    again = encoder.encode(["mat cat sat"], role=Role.QUERY)[0]
    np.testing.assert_allclose(again, both, atol=1e-6)


def test_tokens_are_those_of_the_encoder_it_comes_from(folder: Path) -> None:
    static, whole = BiEncoder.load(str(folder)), BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime")
    assert static.tokenize(["A cat."])[0].tokenizer == whole.tokenize(["A cat."])[0].tokenizer
    whole.close()


def test_damage_is_noticed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    table = np.load(tmp_path / "m" / "table.npy")
    np.save(tmp_path / "m" / "table.npy", table + 1)
    with pytest.raises(CorruptModelError, match="is damaged"):
        BiEncoder.load(str(tmp_path / "m"))
    (tmp_path / "m" / "static.json").write_text("{")
    with pytest.raises(CorruptModelError, match="no readable static model"):
        BiEncoder.load(str(tmp_path / "m"))


def test_more_dimensions_than_there_are_cannot_be_had() -> None:
    with pytest.raises(InputError, match="from 1 to the encoder's 48"):
        distilled(Directions(), vocabulary=["a"] * 10, special=(), dimension=49)


def test_with_texts_cosines_come_nearer_to_the_encoders_on_others_like_them() -> None:
    tokenizer = Tokenizer.load(TOKENIZER)
    whole = BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime")
    names = ["iron", "river", "bread", "winter", "music", "doctor"]
    texts = [f"{a} and {b} {end}" for a in names for b in names for end in ("of old", "are here", "cost much")]
    ids = tokenizer.encode(texts)
    small = _Few(whole, sorted({int(token) for one in ids for token in one}))
    tables = [
        distilled(small, vocabulary=tokenizer.vocabulary, special=tokenizer.special_ids, dimension=32, texts=some)
        for some in ([], ids[::2])
    ]
    wanted, held_out = whole.encode_ids(ids[1::2]), ids[1::2]
    likeness = []
    for table in tables:
        made = np.array([table[one].sum(axis=0) for one in held_out])
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        likeness.append(np.corrcoef((made @ made.T).ravel(), (wanted @ wanted.T).ravel())[0, 1])
    assert likeness[1] > max(0.9, likeness[0] + 0.05)
    whole.close()


class _Few:
    """The packaged encoder, but for tokens alone that the test does not use."""

    def __init__(self, whole: BiEncoder, used: Sequence[int]) -> None:
        self.fingerprint, self._whole, self._used = whole.fingerprint, whole, set(used)

    def encode_ids(self, ids: Sequence[Ids]) -> npt.NDArray[np.float32]:
        found = np.zeros((len(ids), 384), np.float32)
        places = [place for place, one in enumerate(ids) if len(one) > 1 or int(one[0]) in self._used]
        if places:
            found[places] = self._whole.encode_ids([ids[place] for place in places])
        return found
