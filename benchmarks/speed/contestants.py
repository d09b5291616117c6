"""What is timed: our scorer on each engine, and its peers with the same weights."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.speed.texts import Candidates
from shortlist.errors import InputError
from shortlist.inference.batches import pad
from shortlist.inference.models import find_model
from shortlist.inference.onnxruntime_int8 import quantized
from shortlist.inference.tokens import Tokenizer
from shortlist.scorers.cross_encoder import CrossEncoder

Floats = npt.NDArray[np.float32]


class Contestant(Protocol):
    """Scores a query's candidates from texts, tokenisation included."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        ...

    def score(self, candidates: Candidates) -> Floats:
        """Return one logit a document, `[documents]`."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Our cross-encoder, without a cache and without stored token ids."""

    name: str
    scorer: CrossEncoder

    def score(self, candidates: Candidates) -> Floats:
        """Return one logit a document."""
        return self.scorer.score(candidates.query, candidates.documents).values


@dataclass(frozen=True, slots=True)
class SentenceTransformers:
    """`sentence_transformers.CrossEncoder` as its documentation calls it: PyTorch, fp32, batches of 32."""

    name: str
    model: Any
    identity: Any

    @classmethod
    def load(cls, folder: Path) -> SentenceTransformers:
        """Load a folder with safetensors onto the CPU."""
        try:
            library = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise InputError("the reference needs its library: pip install sentence-transformers") from error
        torch = importlib.import_module("torch")
        model = library.CrossEncoder(str(folder), device="cpu", max_length=512, local_files_only=True)
        return cls(f"sentence-transformers {library.__version__} fp32", model, torch.nn.Identity())

    def score(self, candidates: Candidates) -> Floats:
        """Return one logit a document."""
        pairs = [(candidates.query.text, document.text) for document in candidates.documents]
        logits = self.model.predict(pairs, activation_fn=self.identity, show_progress_bar=False)
        return np.asarray(logits, dtype=np.float32).reshape(-1)


@dataclass(frozen=True, slots=True)
class OnePaddedBatch:
    """All pairs in one padded batch, int8 on ONNX Runtime with its default threads: how FlashRank runs a model."""

    name: str
    session: Any
    tokenizer: Tokenizer

    @classmethod
    def load(cls, model: str) -> OnePaddedBatch:
        """Quantise the ONNX file of a packaged name or of a folder that holds one."""
        runtime = importlib.import_module("onnxruntime")
        folder = find_model(model)
        if folder.ready_made is None or folder.ready_made.suffix != ".onnx":
            raise InputError(f"--one-padded-batch needs a model.onnx in {folder.path}; give a packaged model")
        session = runtime.InferenceSession(quantized(folder.ready_made), providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.load(folder.path / "tokenizer.json", pad_id=folder.pad_id)
        return cls("one padded int8 batch", session, tokenizer)

    def score(self, candidates: Candidates) -> Floats:
        """Return one logit a document."""
        template, (first,) = self.tokenizer.pair, self.tokenizer.encode([candidates.query.text])
        texts: Sequence[str] = [document.text for document in candidates.documents]
        room = 512 - template.overhead - len(first)
        batch = pad(
            [template.build(first, ids[:room]) for ids in self.tokenizer.encode(texts)], pad_id=self.tokenizer.pad_id
        )
        feeds = {port.name: getattr(batch, port.name) for port in self.session.get_inputs()}
        return np.asarray(self.session.run(None, feeds)[0], dtype=np.float32)[:, 0]
