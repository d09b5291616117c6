"""The same groups and steps with sentence-transformers' CrossEncoderTrainer, for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shortlist.training.groups import Group
from shortlist.training.recipe import Recipe


def train_peer(groups: Sequence[Group], start: Path, out: Path, recipe: Recipe) -> None:
    """Train with ListNetLoss, the same rates, schedule and precision; write the Hugging Face folder to `out`."""
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import ListNetLoss
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    PreTrainedTokenizerFast(
        tokenizer_file=str(start / "tokenizer.json"),
        cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]",
    ).save_pretrained(out / "start")  # fmt: skip
    for file in ("config.json", "model.safetensors"):
        (out / "start" / file).write_bytes((start / file).read_bytes())
    AutoTokenizer.from_pretrained(out / "start")
    model = CrossEncoder(str(out / "start"), num_labels=1, max_length=recipe.max_length, device="cpu")
    data = Dataset.from_dict(
        {
            "query": [group.query for group in groups],
            "docs": [list(group.passages) for group in groups],
            "labels": [list(group.relevance) for group in groups],
        }
    )
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(out / "trainer"),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.groups_per_step,
        learning_rate=recipe.learning_rate,
        warmup_steps=round(recipe.warmup * recipe.steps),
        lr_scheduler_type="cosine",
        weight_decay=0.01,
        bf16=recipe.bf16,
        use_cpu=True,
        seed=recipe.seed,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=ListNetLoss(model)).train()
    model.model.save_pretrained(out)
    (out / "tokenizer.json").write_bytes((start / "tokenizer.json").read_bytes())
