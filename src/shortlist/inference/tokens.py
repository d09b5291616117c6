"""Texts to token ids, and token ids to model inputs, with one tokenizer that any thread may use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as RawTokenizer

from shortlist.errors import CorruptModelError, ModelNotFoundError, UnsupportedModelError
from shortlist.inference.forks import ForkLock
from shortlist.types import Document, TokenIds

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ModelInput:
    """One sequence for a model: token ids `[length]`, and where token type 1 begins (`length` when nowhere).

    Of the positions, the first `attended` are seen by the others; None stands for all.
    """

    ids: Ids
    second_at: int
    attended: int | None = None

    @property
    def key(self) -> tuple[bytes, int, int | None]:
        """Equal for inputs that a model cannot tell apart."""
        return self.ids.tobytes(), self.second_at, self.attended

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """The special tokens around a first and a second text, read off the tokenizer's own post-processor."""

    before: Ids
    between: Ids
    after: Ids
    second_at_between: int | None  # offset in `between + second + after` where token type 1 begins

    @property
    def overhead(self) -> int:
        """How many special tokens a sequence holds."""
        return len(self.before) + len(self.between) + len(self.after)

    def build(self, first: Ids, second: Ids) -> ModelInput:
        """Join the special tokens and the texts."""
        ids = np.concatenate([self.before, first, self.between, second, self.after])
        if self.second_at_between is None:
            return ModelInput(ids, len(ids))
        return ModelInput(ids, len(self.before) + len(first) + self.second_at_between)


class Tokenizer:
    """A Hugging Face fast tokenizer with truncation and padding off, so that no call changes its state.

    A special token's text inside a document ("[SEP]") is read as plain text: documents
    are data, and cannot end their own passage.
    """

    def __init__(self, raw: RawTokenizer, *, fingerprint: str, pad_id: int, has_types: bool = True) -> None:
        raw.no_truncation()
        raw.no_padding()
        raw.encode_special_tokens = True
        self._raw = raw
        self._spelled = _spelled_out(raw)
        self._unknown = _unknown(raw)
        self.fingerprint = fingerprint
        self.pad_id = pad_id
        self.single = _single_template(raw)
        self.pair = _pair_template(raw, has_types=has_types)

    @classmethod
    def load(cls, file: Path, *, pad_id: int = 0, has_types: bool = True) -> Tokenizer:
        """Read a `tokenizer.json`; its fingerprint is the start of the file's SHA-256.

        Without `has_types` both texts of a pair are of token type 0.
        Models with equal files share one tokenizer for as long as one of them is in use.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError as error:
            raise ModelNotFoundError(
                f"there is no tokenizer.json in {file.parent}; transformers writes one:"
                " AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            ) from error
        fingerprint = hashlib.sha256(content).hexdigest()[:16]
        with _LOADING:
            shared = _IN_USE.get((fingerprint, pad_id, has_types))
            if shared is not None:
                return shared
            try:
                raw = RawTokenizer.from_buffer(content)
            except Exception as error:  # the library raises bare Exception
                message = f"{file} cannot be read as a tokenizer: {error}; fetch the model again"
                raise CorruptModelError(message) from error
            loaded = cls(raw, fingerprint=fingerprint, pad_id=pad_id, has_types=has_types)
            return _IN_USE.setdefault((fingerprint, pad_id, has_types), loaded)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Return each text's token ids, without special tokens and never truncated."""
        try:
            encodings = self._raw.encode_batch_fast(list(texts), add_special_tokens=False)
        except Exception:  # a lone surrogate is no valid UTF-8; the other texts must not suffer from it
            readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
            encodings = self._raw.encode_batch_fast(readable, add_special_tokens=False)
        return [self._as_text(np.asarray(encoding.ids, dtype=np.int32)) for encoding in encodings]

    def _as_text(self, ids: Ids) -> Ids:
        """Spell out the special tokens that the vocabulary itself found in a text."""
        if not self._spelled or not np.isin(ids, list(self._spelled)).any():
            return ids
        return np.concatenate([self._spelled.get(i, np.asarray([i], np.int32)) for i in ids.tolist()])

    def unknown_share(self, ids: Ids) -> float:
        """Return the share of the ids, in 0..1, that stand for words which the vocabulary does not hold."""
        unknown = 0 if self._unknown is None else int(np.count_nonzero(ids == self._unknown))
        return unknown / max(1, len(ids))

    def ids_of(self, documents: Sequence[Document]) -> list[Ids]:
        """Return each document's token ids, whole: those stored at index time where this tokenizer made them."""
        stored = [d.tokens.ids if d.tokens and d.tokens.tokenizer == self.fingerprint else None for d in documents]
        missing = [place for place, ids in enumerate(stored) if ids is None]
        fresh = iter(self.encode([documents[place].full_text for place in missing]) if missing else [])
        return [ids if ids is not None else next(fresh) for ids in stored]

    def carried(self, documents: Sequence[Document], ids: Sequence[Ids]) -> list[Document]:
        """Return the documents with these token ids of theirs, for scorers that have this tokenizer."""
        return [replace(d, tokens=TokenIds(self.fingerprint, one)) for d, one in zip(documents, ids, strict=True)]

    def id_of(self, token: str) -> int | None:
        """Return the id of a token that the vocabulary holds as it is spelt, or None."""
        found: int | None = self._raw.token_to_id(token)
        return found

    @property
    def vocabulary(self) -> list[str]:
        """The tokens by their ids; an id without a token has an empty one."""
        found = {i: token for token, i in self._raw.get_vocab(with_added_tokens=True).items()}
        return [found.get(i, "") for i in range(max(found, default=-1) + 1)]

    @property
    def special_ids(self) -> list[int]:
        """The ids of special tokens, unknown ones among them, ascending."""
        return sorted(i for i, token in self._raw.get_added_tokens_decoder().items() if token.special)

    def is_added(self, token: str) -> bool:
        """Whether the token was added to the vocabulary as a whole, so that no text is cut inside it."""
        return any(added.content == token for added in self._raw.get_added_tokens_decoder().values())

    def token_id(self, token: str) -> int:
        """Return the id of a token by its name in the vocabulary; raises UnsupportedModelError when it has none."""
        found = self.id_of(token)
        if found is None:
            raise UnsupportedModelError(
                f"the tokenizer has no token {token!r}; the model and its template (or answers) do not belong together"
            )
        return found

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return token ids that carry this tokenizer's fingerprint, for storing with documents."""
        return [TokenIds(self.fingerprint, ids) for ids in self.encode(texts)]


def shared_start(one: Ids, other: Ids) -> int:
    """Return how many tokens two texts have in common at their beginning."""
    length = min(len(one), len(other))
    differ = np.flatnonzero(one[:length] != other[:length])
    return int(differ[0]) if len(differ) else length


_IN_USE: WeakValueDictionary[tuple[str, int, bool], Tokenizer] = WeakValueDictionary()
_LOADING = ForkLock()


def _spelled_out(raw: RawTokenizer) -> dict[int, Ids]:
    """Map each special token that plain text can still become to the ids of its letters.

    A Unigram vocabulary (T5, XLM-R) holds its special tokens among its pieces, where
    SentencePiece does not match them against a text but `tokenizers` does.
    """
    unknown = {*raw.encode("\U0010fffd", add_special_tokens=False).ids, _unknown(raw)}
    found: dict[int, Ids] = {}
    for special, token in raw.get_added_tokens_decoder().items():
        text = raw.encode(token.content, add_special_tokens=False) if token.special else None
        if text is not None and special in text.ids and special not in unknown:
            letters = [raw.token_to_id(letter) for letter in token.content]
            found[special] = np.asarray([i for i in letters if i is not None], dtype=np.int32)
    return found


def _unknown(raw: RawTokenizer) -> int | None:
    """Return the id that words outside the vocabulary get, if any."""
    token = getattr(raw.model, "unk_token", None)
    if token is not None:
        return raw.token_to_id(token)
    special = raw.get_added_tokens_decoder()  # a Unigram model names none: a letter that no vocabulary holds tells
    return next((i for i in raw.encode("\U0010fffd", add_special_tokens=False).ids if i in special), None)


def _single_template(raw: RawTokenizer) -> Template:
    encoding = raw.encode("a")
    text = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
    ids = np.asarray(encoding.ids, dtype=np.int32)
    return Template(ids[: text[0]], ids[:0], ids[text[-1] + 1 :], None)


def _pair_template(raw: RawTokenizer, *, has_types: bool) -> Template:
    encoding = raw.encode("a", "a")
    first = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
    second = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    ids = np.asarray(encoding.ids, dtype=np.int32)
    types = encoding.type_ids
    starts = [i - first[-1] - 1 for i in range(first[-1] + 1, len(ids)) if has_types and types[i] == 1]
    return Template(
        ids[: first[0]], ids[first[-1] + 1 : second[0]], ids[second[-1] + 1 :], starts[0] if starts else None
    )
