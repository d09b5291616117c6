"""Sessions on torch for sequence classifiers of transformers."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from shortlist.inference.batches import Batch
from shortlist.inference.forks import stay_in_process
from shortlist.inference.models import ModelFolder
from shortlist.inference.session import Output, Precision
from shortlist.inference.torch_checkpoint import engine_name, load_pretrained
from shortlist.inference.torch_device import Placement, memory_errors


class TorchClassifier:
    """A `*ForSequenceClassification` model: padded batches in, fp32 logits out.

    One batch runs at a time, on all of torch's threads (`torch.set_num_threads`).
    """

    streams = 1

    def __init__(self, model: Any, *, placement: Placement) -> None:
        self._model = model
        self._placement = placement
        self._inputs = _inputs_of(model)
        declared = getattr(model.config, "pad_token_id", 0)
        self._lacks_padding = declared is None or declared < 0
        self.engine = engine_name()
        self.precision = placement.precision
        self.device = str(placement.device)

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        *,
        precision: Precision = Precision.AUTO,
        device: str = "auto",
        trust_remote_code: bool = False,
    ) -> TorchClassifier:
        """Load a folder's weights; errors are those of `Placement.choose` and `load_pretrained`."""
        placement = Placement.choose(device, precision)
        model = load_pretrained(
            folder, suffix="ForSequenceClassification", placement=placement, trust_remote_code=trust_remote_code
        )
        _score_in_fp32(model)
        model.config.use_cache = False  # nothing is read on from a classifier
        return cls(model, placement=placement)

    def infer(self, batch: Batch) -> Output:
        """Run one batch; logits are cast to fp32 before anything else happens to them."""
        stay_in_process("torch")
        with memory_errors(), torch.inference_mode():
            if self._lacks_padding:
                batch = self._with_padding_of_its_own(batch)
            feeds = {n: torch.from_numpy(getattr(batch, n)).to(self._placement.device) for n in self._inputs}
            return np.asarray(self._model(**feeds).logits.float().cpu().numpy())

    def _with_padding_of_its_own(self, batch: Batch) -> Batch:
        """Fill a batch up with a token that none of its texts has, and tell the model.

        A decoder takes the last token that is not the padding's for the end of the text: with a token
        that a text can end on (0 is "!" in GPT-2's and Qwen's vocabularies) it would read one before.
        """
        seen = np.unique(batch.input_ids[batch.attention_mask == 1])
        unseen = int(np.setdiff1d(np.arange(len(seen) + 1), seen)[0])
        self._model.config.pad_token_id = unseen  # one batch runs at a time
        return replace(batch, input_ids=np.where(batch.attention_mask == 1, batch.input_ids, unseen))


def _score_in_fp32(model: Any) -> None:
    """Let the last linear layer give fp32: bf16 tells only every sixteenth of a logit apart from 8 on, and ties."""
    labels = model.config.num_labels
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == labels]
    if heads:
        heads[-1].float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))


def _inputs_of(model: Any) -> tuple[str, ...]:
    """Name the inputs that the model reads; token types only where it has more than one."""
    known = inspect.signature(model.forward).parameters
    has_types = "token_type_ids" in known and (getattr(model.config, "type_vocab_size", 0) or 0) > 1
    return ("input_ids", "attention_mask", "token_type_ids") if has_types else ("input_ids", "attention_mask")
