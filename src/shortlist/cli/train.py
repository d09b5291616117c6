"""`shortlist train`: a reranker or a bi-encoder for one's own queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shortlist.build.training import KINDS, Trained, Wanted, has_bf16, train_model
from shortlist.cli.options import Encoder, Json, Model, command_line, settings
from shortlist.cli.output import console, errors_console, print_json, print_text
from shortlist.cli.progress import bar
from shortlist.errors import InputError
from shortlist.training.building import Building
from shortlist.training.losses import LABEL_LOSSES, TEACHER_LOSSES
from shortlist.training.recipe import Recipe

if TYPE_CHECKING:
    from shortlist.training.train import Moment

_OF_ORDERS = {"ranknet", "lambda", "list-mle"}  # losses that want all of a query's passages together
_OF_MAPS = {"pairs", "out", "index", "kind", "model", "evaluation", "seed", "as_json"}
_RATES = {"query-map": 0.0, "cross-encoder": 5e-5, "bi-encoder": 2e-5}


Pairs = Annotated[list[Path], typer.Option("--pairs", "-p", help="JSONL of queries and passages; repeatable.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the model; a killed run goes on from it.")]
IndexFolder = Annotated[Path | None, typer.Option("--index", "-i", help="Your index, to mine negatives from.")]
Kind = Annotated[str, typer.Option(help=f"What to train: {', '.join(KINDS)}.")]
Evaluation = Annotated[
    list[Path] | None, typer.Option("--eval", help="JSONL of queries that must not be trained on; repeatable.")
]
Loss = Annotated[str, typer.Option(help=f"From labels: {', '.join(LABEL_LOSSES)}.")]
Teachers = Annotated[
    list[str] | None, typer.Option("--teacher", help="A reranker to learn from too; several are an ensemble.")
]
TeacherLoss = Annotated[str, typer.Option(help=f"From a teacher: {', '.join(TEACHER_LOSSES)}.")]
LabelWeight = Annotated[float, typer.Option(min=0, max=1, help="Share of the labels beside a teacher.")]
Temperature = Annotated[float, typer.Option(min=1e-6, help="What a teacher's scores are divided by.")]
Negatives = Annotated[int, typer.Option(min=1, help="Passages beside each relevant one.")]
Ranks = Annotated[tuple[int, int], typer.Option(min=1, help="From which ranks negatives are mined.")]
FilterShare = Annotated[
    float, typer.Option(min=0, max=1, help="Candidates scored above this share of the positive are left out.")
]
Epochs = Annotated[float, typer.Option(min=0.01, help="How often each group is read.")]
Steps = Annotated[int, typer.Option(min=0, help="Steps in place of epochs. [default: by epochs]", show_default=False)]
Batch = Annotated[int, typer.Option(min=1, help="Groups a step.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Run a step in so many pieces, to save memory.")]
Rate = Annotated[float, typer.Option(min=0, help="Peak learning rate. [default: by kind]", show_default=False)]
MaxLength = Annotated[int, typer.Option(min=16, max=512, help="Tokens read in training.")]
DevShare = Annotated[float, typer.Option(min=0, max=0.9, help="Share of the queries that is held out.")]
Patience = Annotated[int, typer.Option(min=0, help="Reports without a gain until it stops; 0: never.")]
Exits = Annotated[list[int] | None, typer.Option("--exit", help="Layer with a head of its own; repeatable.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draw, the order and new heads.")]


def train(
    context: typer.Context,
    pairs: Pairs,
    out: Out,
    index: IndexFolder = None,
    kind: Kind = KINDS[0],
    model: Model = None,
    encoder: Encoder = None,
    evaluation: Evaluation = None,
    loss: Loss = "softmax",
    teachers: Teachers = None,
    teacher_loss: TeacherLoss = "kl",
    label_weight: LabelWeight = 0.5,
    temperature: Temperature = 1.0,
    negatives: Negatives = 7,
    ranks: Ranks = (1, 50),
    filter_share: FilterShare = 0.9,
    epochs: Epochs = 3.0,
    steps: Steps = 0,
    batch: Batch = 8,
    accumulate: Accumulate = 1,
    rate: Rate = 0.0,
    max_length: MaxLength = 256,
    dev_share: DevShare = 0.1,
    patience: Patience = 3,
    exits: Exits = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a reranker, or a bi-encoder, on your own queries, and export it.

    Starts from the packaged model (or --model, a blend), and fits a map of the queries' vectors in
    minutes; most options are for the other kinds. Of a blend, --kind cross-encoder trains the
    cross-encoder inside the blend. A row of the JSONL has `query` and `passage` (with `label`, and `score`
    of a teacher), or `positive` and `negatives`. Rows that cannot be used are named. Queries are held out
    whole, what is best on them is kept, and the folder loads wherever a model's name does. Needs the
    extra `train`.

    Example:  shortlist train --pairs data.jsonl --index my-index --out my-model
    """
    _check_options(context, kind)
    recipe = _recipe(kind, rate, max_length, exits or ())
    recipe = replace(recipe, steps=steps, groups_per_step=batch, accumulate=accumulate, patience=patience, seed=seed)
    recipe = replace(recipe, loss=loss, teacher_loss=teacher_loss, label_weight=label_weight, temperature=temperature)
    building = Building(negatives, together=loss in _OF_ORDERS)
    wanted = Wanted(pairs, out, kind, model or "", index=index, evaluation=evaluation or (), teachers=teachers or ())
    wanted = replace(wanted, building=building, ranks=ranks, filter_share=filter_share, dev_share=dev_share)
    wanted = replace(wanted, epochs=epochs, command=command_line())
    chosen = settings(model=model, encoder=encoder)
    with _steps() as watch:
        trained = train_model(wanted, recipe, settings=chosen, watch=watch, tell=_tell)
    print_json(dict(trained.card)) if as_json else _print(trained)


def _check_options(context: typer.Context, kind: str) -> None:
    """Raise InputError for options that were given and have no part in a query map."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    spare = [name.replace("_", "-") for name in given if name not in _OF_MAPS]
    if kind == KINDS[0] and spare:
        raise InputError(
            f"a query map has no {', '.join(f'--{name}' for name in spare)}; give --kind cross-encoder or bi-encoder"
        )


def _recipe(kind: str, rate: float, max_length: int, exits: Sequence[int]) -> Recipe:
    if kind not in KINDS:
        raise InputError(f"--kind must be one of {', '.join(KINDS)}; got {kind!r}")
    peak = rate or _RATES[kind]
    return Recipe(
        learning_rate=peak,
        head_learning_rate=peak,
        warmup=0.1,
        max_length=max_length,
        exits=tuple(exits),
        bf16=has_bf16(),
    )


def _tell(text: str) -> None:
    print_text(errors_console(), text)


@contextmanager
def _steps() -> Iterator[Callable[[Moment], None]]:
    """Show the share of the steps, the loss, and the held-out nDCG@10, which is also written line by line."""
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    ndcg = ""
    with bar(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=1.0)

        def watch(moment: Moment) -> None:
            nonlocal ndcg
            if "dev_ndcg" in moment.figures:
                ndcg = f", held-out nDCG@10 {moment.figures['dev_ndcg']:.4f}"
            if moment.figures:
                _tell(f"step {moment.step}: loss {moment.figures['loss']:.4f}{ndcg}")
            progress.update(task, completed=moment.used, description=f"loss {moment.loss:.3f}{ndcg}")

        yield watch


def _print(trained: Trained) -> None:
    done = trained.card["training"]
    screen = console()
    kept = f"{done['steps']:.0f} steps, kept is step {done['kept_step']:.0f}" if "steps" in done else "query map"
    screen.print(f"{trained.folder}: {kept}", soft_wrap=True)
    if "dev_ndcg" in done:
        before, after = done["dev_ndcg_at_start"], done["dev_ndcg"]
        screen.print(f"held-out nDCG@10 {before:.4f} before, {after:.4f} after training", soft_wrap=True)
    for name, found in trained.card.get("compared_with_torch", {}).items():
        text = found if isinstance(found, str) else f"Kendall tau {found['tau']:.4f} with torch on training passages"
        print_text(screen, f"{name}: {text}")
