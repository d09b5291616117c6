"""Sessions on torch for encoder-decoders: the logits of a few tokens as the first thing that is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from shortlist.inference.batches import Batch
from shortlist.inference.forks import stay_in_process
from shortlist.inference.models import ModelFolder
from shortlist.inference.session import Output, Precision
from shortlist.inference.torch_answers import keep_answers
from shortlist.inference.torch_checkpoint import engine_name, load_pretrained
from shortlist.inference.torch_device import Placement, memory_errors


class Seq2SeqSession:
    """A `*ForConditionalGeneration` model such as T5, run for one decoder step.

    One batch runs at a time, on all of torch's threads.
    """

    streams = 1

    def __init__(self, model: Any, *, placement: Placement) -> None:
        self._model = model
        self._placement = placement
        self.engine = engine_name()
        self.precision = placement.precision
        self.device = str(placement.device)

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        *,
        answers: Sequence[int],
        precision: Precision = Precision.AUTO,
        device: str = "auto",
    ) -> Seq2SeqSession:
        """Load a folder and keep the output rows of the token ids `answers`."""
        placement = Placement.choose(device, precision)
        model = load_pretrained(folder, suffix="ForConditionalGeneration", placement=placement)
        keep_answers(model, answers)
        return cls(model, placement=placement)

    def infer(self, batch: Batch) -> Output:
        """Return the answers' logits `[rows, answers]` at the decoder's first position."""
        stay_in_process("torch")
        with memory_errors(), torch.inference_mode():
            device, start = self._placement.device, self._model.config.decoder_start_token_id
            ids = torch.from_numpy(batch.input_ids).to(device)  # [rows, length]
            logits = self._model(
                input_ids=ids,
                attention_mask=torch.from_numpy(batch.attention_mask).to(device),
                decoder_input_ids=torch.full((len(ids), 1), start, device=device),
                use_cache=False,
            ).logits  # [rows, 1, answers]
            return np.asarray(logits[:, 0].float().cpu().numpy())
