"""The training loop: groups in, a Hugging Face folder out."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from shortlist.training.groups import Group
from shortlist.training.losses import distillation, listwise_softmax
from shortlist.training.model import TrainableCrossEncoder


@dataclass(frozen=True, slots=True)
class Recipe:
    """The dials of one training run.

    `minutes` is the one that sets the rest: the learning rate follows the share of the
    budget that is used up, so a run always ends with its rate at zero, on any machine.
    `steps`, when above 0, is the budget instead, and makes a run repeatable.
    `label_weight` is the share of the label loss; the rest goes to the teacher.
    `exits` are layers that get a head of their own, trained with `exit_weight` times the
    mean of their losses. `bf16` multiplies in bf16 where autocast deems it safe; the
    weights themselves stay fp32.
    """

    minutes: float = 90.0
    steps: int = 0
    groups_per_step: int = 12
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    warmup: float = 0.04
    label_weight: float = 0.5
    temperature: float = 0.05
    max_length: int = 144
    tokens_per_batch: int = 2048
    dev_groups: int = 400
    report_minutes: float = 10.0
    seed: int = 0
    exits: tuple[int, ...] = ()
    exit_weight: float = 0.3
    bf16: bool = False


def train(groups: Sequence[Group], start: Path, out: Path, recipe: Recipe) -> dict[str, float]:
    """Train from the encoder in `start`, write checkpoints and the final model to `out`, return the dev figures."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    groups = list(groups)
    rng.shuffle(groups)
    dev, training = groups[: recipe.dev_groups], groups[recipe.dev_groups :]
    model = TrainableCrossEncoder.from_encoder(start, exits=recipe.exits)
    tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(recipe.max_length, strategy="only_second")
    optimizer = _optimizer(model, recipe)
    began, step, epoch, next_report, losses = time.monotonic(), 0, 0, 0.0, [0.0]
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    used = 0.0
    while used < 1:
        rng.shuffle(training)
        for at in range(0, len(training), recipe.groups_per_step):
            minutes = (time.monotonic() - began) / 60
            used = step / recipe.steps if recipe.steps else minutes / recipe.minutes
            if used >= 1:
                break
            if minutes >= next_report:
                figures = {"minutes": minutes, "step": step, "loss": sum(losses) / len(losses)}
                figures |= evaluate(model, tokenizer, dev, recipe)
                print(json.dumps({k: round(v, 4) for k, v in figures.items()}), flush=True)
                save(model, start, out)
                next_report, losses = next_report + recipe.report_minutes, []
            _set_rate(optimizer, used, recipe)
            losses.append(_step(model, tokenizer, optimizer, training[at : at + recipe.groups_per_step], recipe))
            step += 1
        epoch += 1
    figures = {"steps": float(step), "epochs": float(epoch)} | evaluate(model, tokenizer, dev, recipe)
    save(model, start, out)
    (out / "figures.json").write_text(json.dumps(figures, indent=1))
    return figures


def save(model: TrainableCrossEncoder, start: Path, out: Path) -> None:
    """Write the Hugging Face folder: config, weights, tokenizer."""
    model.save(out)
    (out / "tokenizer.json").write_bytes((start / "tokenizer.json").read_bytes())


def evaluate(
    model: TrainableCrossEncoder, tokenizer: Tokenizer, groups: Sequence[Group], recipe: Recipe
) -> dict[str, float]:
    """Reciprocal rank of the positive in held-out groups: the model's, its exits', the teacher's, and their sum's."""
    model.eval()
    with torch.inference_mode():
        parts = [score(model, tokenizer, groups[i : i + 32], recipe) for i in range(0, len(groups), 32)]
    *exits, scores = torch.cat(parts).unbind(-1)
    teacher = torch.tensor([g.teacher for g in groups]) / recipe.temperature
    figures = {"dev_rr": _rr(scores), "dev_rr_teacher": _rr(teacher)}
    figures |= {f"dev_rr_exit_{layer}": _rr(early) for layer, early in zip(recipe.exits, exits, strict=True)}
    for weight in (0.25, 0.5):
        figures[f"dev_rr_sum_{weight}"] = _rr(scores + weight * teacher)
    return figures


def score(model: TrainableCrossEncoder, tokenizer: Tokenizer, groups: Sequence[Group], recipe: Recipe) -> Tensor:
    """Logits `[groups, size, exits + 1]`, computed in length-sorted batches of about `tokens_per_batch` tokens."""
    encodings = tokenizer.encode_batch([(g.query, p) for g in groups for p in g.passages])
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i].ids))
    parts: list[Tensor] = []
    while sum(len(p) for p in parts) < len(order):
        done = sum(len(p) for p in parts)
        size = 1
        while (
            done + size < len(order) and (size + 1) * len(encodings[order[done + size]].ids) <= recipe.tokens_per_batch
        ):
            size += 1
        batch = [encodings[i] for i in order[done : done + size]]
        length = max(len(e.ids) for e in batch)

        def padded(rows: list[list[int]], length: int = length) -> Tensor:
            return torch.tensor([row + [0] * (length - len(row)) for row in rows])

        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
            scored = model.scores(
                padded([e.ids for e in batch]),
                padded([e.type_ids for e in batch]),
                padded([e.attention_mask for e in batch]),
            )
        parts.append(scored.float())
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back].view(len(groups), -1, 1 + len(recipe.exits))


def _step(
    model: TrainableCrossEncoder,
    tokenizer: Tokenizer,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[Group],
    recipe: Recipe,
) -> float:
    model.train()
    scores = score(model, tokenizer, groups, recipe)
    teacher = torch.tensor([g.teacher for g in groups])
    *exits, final = [_loss(one, teacher, recipe) for one in scores.unbind(-1)]
    loss = final + recipe.exit_weight * torch.stack(exits).mean() if exits else final
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _loss(scores: Tensor, teacher: Tensor, recipe: Recipe) -> Tensor:
    label = recipe.label_weight * listwise_softmax(scores)
    return label + (1 - recipe.label_weight) * distillation(scores, teacher, temperature=recipe.temperature)


def _optimizer(model: TrainableCrossEncoder, recipe: Recipe) -> torch.optim.Optimizer:
    head = [*model.classifier.classifier.parameters(), *model.exits.parameters()]
    heads = {id(parameter) for parameter in head}
    trainable = [p for p in model.parameters() if p.requires_grad and id(p) not in heads]
    return torch.optim.AdamW(
        [
            {"params": trainable, "peak": recipe.learning_rate},
            {"params": head, "peak": recipe.head_learning_rate},
        ],
        weight_decay=0.01,
        fused=True,
    )


def _set_rate(optimizer: torch.optim.Optimizer, used: float, recipe: Recipe) -> None:
    """Linear warm-up, then a half cosine to zero, over the share of the budget that is used up."""
    if used < recipe.warmup:
        share = used / recipe.warmup
    else:
        share = 0.5 * (1 + math.cos(math.pi * (used - recipe.warmup) / (1 - recipe.warmup)))
    for part in optimizer.param_groups:
        part["lr"] = part["peak"] * share


def _rr(scores: Tensor) -> float:
    rank = 1 + (scores[:, 1:] >= scores[:, :1]).sum(1)
    return float((1 / rank).mean())
