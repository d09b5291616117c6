"""How a bi-encoder makes a vector of a text, as the files of sentence-transformers say it: read, and written again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import UnsupportedModelError
from shortlist.inference.models import ModelFolder

_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Pooling:
    """The vector is the first token's ("cls") or the mean over all; a query and a passage begin with their prompts."""

    mode: str = "mean"
    query: str = ""
    passage: str = ""

    @classmethod
    def of(cls, model: ModelFolder) -> Pooling:
        """Read what a model's files say; raises UnsupportedModelError for what is not trained here."""
        query, passage = (model.prompts.get(role, "") for role in ("query", "document"))
        passage = passage or model.prompts.get("passage", "")
        modes = [module.pooling for module in model.modules if module.kind == "Pooling"] or ["mean"]
        odd = [module.kind for module in model.modules if module.kind not in _MODULES]
        odd += [f"Pooling with {mode!r}" for mode in modes if mode not in ("mean", "cls")]
        if (query or passage) and any(module.leaves_prompt_out for module in model.modules):
            odd.append("Pooling that leaves the prompt out")
        if odd or len(modes) > 1:
            what = ", ".join(odd) or "several poolings"
            raise UnsupportedModelError(
                f"{model.name} has {what} behind its encoder, which is not trained here; name a bi-encoder whose"
                " vector is the mean over the tokens or the first token's"
            )
        return cls(modes[0], query, passage)

    def save(self, folder: Path, *, width: int) -> None:
        """Write `modules.json`, the pooling's settings and the prompts beside a trained encoder."""
        kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
        listed = [
            {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for place, (path, kind) in enumerate(kinds.items())
        ]
        modes = {"pooling_mode_cls_token": self.mode == "cls", "pooling_mode_mean_tokens": self.mode == "mean"}
        (folder / "1_Pooling").mkdir(exist_ok=True)
        prompts = {role: text for role, text in (("query", self.query), ("document", self.passage)) if text}
        for name, content in (
            ("modules.json", listed),
            ("1_Pooling/config.json", {"word_embedding_dimension": width, **modes}),
            ("config_sentence_transformers.json", {"prompts": prompts}),
        ):
            (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


MEAN = Pooling()
