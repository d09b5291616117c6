"""`shortlist completion`: the script that lets a shell complete commands, options and the names of models."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

from shortlist.errors import InputError

SHELLS = ("bash", "zsh", "fish")
_BOUND = "compdef _shortlist_completion shortlist"
_BOUND_OR_ASKED = f"""if [[ $funcstack[1] = _shortlist ]]; then
  _shortlist_completion
else
  {_BOUND}
fi"""
"""At the first Tab zsh loads the file as the function that must answer it; typer's script only binds another one."""


def completion(
    shell: Annotated[str, typer.Argument(help=f"{', '.join(SHELLS)}.", show_default=False)],
) -> None:
    """Print the script that lets a shell complete commands, options and names of models.

    \b
    bash:  shortlist completion bash > ~/.local/share/bash-completion/completions/shortlist
    zsh:   shortlist completion zsh > ~/.zfunc/_shortlist, with ~/.zfunc in fpath
    fish:  shortlist completion fish > ~/.config/fish/completions/shortlist.fish

    Example:  shortlist completion bash
    """  # noqa: D301 (click keeps the lines below its mark as they are)
    if shell not in SHELLS:
        raise InputError(f"there is a script for {', '.join(SHELLS)}; got {shell!r}")
    script = get_completion_script(prog_name="shortlist", complete_var="_SHORTLIST_COMPLETE", shell=shell)
    typer.echo(script.replace(_BOUND, _BOUND_OR_ASKED) if shell == "zsh" else script)


def ready() -> None:
    """Let the command line answer what the script asks it."""
    completion_init()


def model_names(incomplete: str) -> list[str]:
    """Return the packaged and the known models that a word may become."""
    from shortlist.catalogue import read_catalogue
    from shortlist.weights import packaged_models

    names = [*(model.name for model in packaged_models()), *(entry.name for entry in read_catalogue())]
    return [name for name in names if name.startswith(incomplete)]
