"""A BERT classifier with exit heads becomes one ONNX graph a stage, to be run one after another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.export.bert import BERT, bert_embeddings, bert_shape
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import ATTENTION_MASK, Draft
from shortlist.inference.export.families import check_architecture, family_of
from shortlist.inference.export.family import Encoded
from shortlist.inference.export.graph import ONNX_FLOAT, Graph, Value, Weights
from shortlist.inference.export.layers import BERT_NAMES, Shape, encoder
from shortlist.inference.export.safetensors import list_tensors
from shortlist.inference.export.saving import Output, Port, save, token_ports

EXIT_HEADS = "exit_heads.safetensors"
HIDDEN = Value("hidden")


def export_stages(folder: Path, out: Path, *, weights: Weights = "float16") -> tuple[Path, ...]:
    """Write `stage-0.onnx`, `stage-1.onnx` and so on into `out`; each ends behind an exit's layer, the last at the top.

    Stage 0 takes what a whole model takes; a later one takes `hidden` fp32 `[batch, length, width]` and
    `attention_mask`. All but the last give `hidden` too, behind their first output `logits` `[batch, 1]`.
    Exits are named in `exit_heads.safetensors`: `exit.2.pooler.weight` and so on (Xin et al. 2020).

    Raises UnsupportedModelError for another family than BERT, otherwise as `export_onnx` does.
    """
    config = Config.load(folder)
    name, family = family_of(config)
    if family is not BERT:
        raise UnsupportedModelError(f"{folder}: model_type={name!r} cannot be cut into stages; only bert can")
    check_architecture(config, (family.classifier,), use="with a classification head")
    shape, layers = bert_shape(config), exit_layers(folder)
    wrong = [layer for layer in layers if not 0 < layer < shape.layers]
    if wrong or not layers:
        raise CorruptModelError(
            f"{folder / EXIT_HEADS}: exits behind {layers} do not fit a model of {shape.layers} layers"
        )
    cuts = [0, *layers, shape.layers]
    paths = []
    for stage, (start, stop) in enumerate(pairwise(cuts)):
        draft = Draft(Graph(weights), config, Checkpoint.open(folder), family.prefix)
        outputs = _stage(draft, shape, start, stop)
        inputs = token_ports(draft.inputs) if not start else [_hidden_port(shape), *token_ports([ATTENTION_MASK])]
        notes = {"shortlist.head": "classification", "shortlist.layers": f"{start}-{stop}"}
        paths.append(save(draft.graph, out, inputs=inputs, outputs=outputs, notes=notes, name=f"stage-{stage}.onnx"))
    return tuple(paths)


def exit_layers(folder: Path) -> list[int]:
    """Return the layers behind which a model folder has exits, ascending; none where it has no such file."""
    if not (folder / EXIT_HEADS).is_file():
        return []
    named = {name.split(".")[1] for name in list_tensors(folder / EXIT_HEADS) if name.startswith("exit.")}
    return sorted(int(layer) for layer in named if layer.isdigit())


def _stage(draft: Draft, shape: Shape, start: int, stop: int) -> list[Output]:
    x = HIDDEN if start else bert_embeddings(draft, width=shape.hidden, epsilon=shape.epsilon)[0]
    is_last = stop == shape.layers
    hidden = encoder(draft, x, shape, BERT_NAMES, first_only=is_last, layers=range(start, stop))
    if is_last:
        features = BERT.features(draft, Encoded(hidden, shape.hidden, 0))
        return [("logits", draft.linear(features, BERT.out, wide=(1, shape.hidden)), ("batch", 1))]
    heads = Checkpoint(draft.config.folder, list_tensors(draft.config.folder / EXIT_HEADS))
    part, name = replace(draft, checkpoint=heads, prefix=""), f"exit.{stop}"
    first = draft.without_length(draft.first(hidden))  # [batch, width]
    pooled = part.activate(part.linear(first, f"{name}.pooler", wide=(shape.hidden, shape.hidden)), "tanh")
    logits = part.linear(pooled, f"{name}.classifier", wide=(1, shape.hidden))
    return [("logits", logits, ("batch", 1)), ("hidden_out", hidden, ("batch", "length", shape.hidden))]


def _hidden_port(shape: Shape) -> Port:
    return HIDDEN, ONNX_FLOAT, ("batch", "length", shape.hidden)
