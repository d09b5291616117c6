"""BERT: learned positions, token types, pooler with tanh."""

from __future__ import annotations

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.embeddings import first_positions, token_types, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, Shape, encoder


def bert_shape(config: Config, *, epsilon: float = 1e-12) -> Shape:
    """Read the sizes under BERT's names; `epsilon` is the norms' when the config is silent.

    Raises UnsupportedModelError for relative positions and for decoders.
    """
    positions = config.text("position_embedding_type", "absolute")
    if positions != "absolute" or config.flag("is_decoder", False):
        raise UnsupportedModelError(
            f"{config.folder}: position_embedding_type={positions!r}, is_decoder={config.flag('is_decoder', False)};"
            " only encoders with absolute positions can be exported"
        )
    return Shape(
        layers=config.integer("num_hidden_layers"),
        hidden=config.integer("hidden_size"),
        heads=config.integer("num_attention_heads"),
        feed=config.integer("intermediate_size"),
        activation=config.text("hidden_act", "gelu"),
        epsilon=config.number("layer_norm_eps", epsilon),
    )


def bert_embeddings(draft: Draft, *, width: int, epsilon: float) -> tuple[Value, int]:
    """Return embeddings `[batch, length, width]`, and how many positions there are."""
    graph = draft.graph
    x = words(draft, "embeddings.word_embeddings.weight", width=width)
    positions, max_length = first_positions(draft, "embeddings.position_embeddings.weight", width=width)
    types = draft.config.integer("type_vocab_size", 2)
    typed = token_types(draft, "embeddings.token_type_embeddings.weight", width=width, types=types)
    x = graph.op("Add", graph.op("Add", x, typed), positions)
    return draft.norm(x, "embeddings.LayerNorm", size=width, epsilon=epsilon), max_length


def _encode(draft: Draft, first_only: bool) -> Encoded:
    shape = bert_shape(draft.config)
    x, max_length = bert_embeddings(draft, width=shape.hidden, epsilon=shape.epsilon)
    return Encoded(encoder(draft, x, shape, BERT_NAMES, first_only=first_only), shape.hidden, max_length)


BERT = Family("Bert", "bert.", _encode, first_features("pooler.dense", "tanh"))
