"""Encoder-decoders as rerankers: monoT5."""

from __future__ import annotations

from shortlist.inference.load import Runtime
from shortlist.inference.load_language import load_seq2seq
from shortlist.inference.session import Precision
from shortlist.passages.windows import LongDocuments
from shortlist.scorers.prompted import Prompted
from shortlist.scorers.templates import MONOT5


def load_monot5(
    name: str,
    *,
    revision: str | None = None,
    engine: str = "auto",
    precision: Precision | str = Precision.AUTO,
    threads: int | None = None,
    device: str = "auto",
    max_length: int | None = None,
    long_documents: LongDocuments | str = LongDocuments.HEAD,
) -> Prompted:
    """Load a T5 that answers "true" or "false", with safetensors and a `tokenizer.json`.

    The score is log p(true) among the two, at most 0. Options and errors are those of `load_causal_lm`.
    """
    runtime = Runtime.of(engine, precision, threads=threads, device=device)
    model = load_seq2seq(name, runtime, answers=MONOT5.answers, revision=revision)
    return Prompted.of("seq2seq", model, MONOT5, max_length=max_length, long_documents=long_documents)
