from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

import shortlist
from shortlist.cli.app import app

from .running import Outcome, run

GOLDEN = Path(__file__).parent / "golden"
MANUAL = Path(__file__).parents[2] / "man" / "shortlist.1"
# typer's releases word the frame of a help text differently; the file says which one wrote these
TYPER = ".".join(version("typer").split(".")[:2])
COMMANDS = [
    "",
    "index",
    "index push",
    "search",
    "serve",
    "ask",
    "mcp",
    "rerank",
    "explain",
    "advise",
    "calibrate",
    "completion",
    "man",
    "plan",
    "evaluate",
    "exits",
    "models",
    "train",
    "train-gate",
    "verify",
    "pull",
    "pack",
    "unpack",
    "doctor",
    "probe-injection",
]


@cache
def help_of(command: str) -> Outcome:
    return run(*command.split(), "--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_as_it_did(command: str, request: pytest.FixtureRequest) -> None:
    outcome = help_of(command)
    assert (outcome.code, outcome.err) == (0, "")
    golden = GOLDEN / f"{command or 'shortlist'}.txt"
    if request.config.getoption("--update-golden"):
        golden.write_text(outcome.out, encoding="utf-8")
        (GOLDEN / "typer-version").write_text(TYPER + "\n", encoding="utf-8")
    if (GOLDEN / "typer-version").read_text(encoding="utf-8").strip() != TYPER:
        pytest.skip(f"the golden help texts are of another typer than {TYPER}")
    assert outcome.out == golden.read_text(encoding="utf-8")


def test_every_command_and_every_option_is_explained() -> None:
    commands = getattr(typer.main.get_command(app), "commands", {})
    assert sorted(commands) == sorted(COMMANDS[1:])
    for name, command in commands.items():
        assert len(command.help) > 80, name
        unexplained = [option.name for option in command.params if not getattr(option, "help", None)]
        assert unexplained == [], name


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in {"", "models", "doctor"}])
def test_help_has_an_example_to_copy(command: str) -> None:
    assert f"Example:  shortlist {command} " in help_of(command).out


def test_lines_to_copy_are_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "60")
    line = "bash:  shortlist completion bash > ~/.local/share/bash-completion/completions/shortlist"
    assert line in map(str.strip, run("completion", "--help").out.splitlines())
    manual = run("man").out.replace("\\-", "-")
    assert f".nf\n{line}\n" in manual


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_has_two_defaults(command: str) -> None:
    text = " ".join(help_of(command).out.split())
    assert re.findall(r"\[default: [^]]*\] \[default: [^]]*\]", text) == []


def test_all_commands_but_those_that_the_documents_name_print_json() -> None:
    commands = getattr(typer.main.get_command(app), "commands", {})
    without = sorted(name for name in commands if "--json" not in help_of(name).out)
    assert without == ["completion", "man", "mcp", "serve"]


def test_the_version_is_the_package_version() -> None:
    assert run("--version").out == f"{shortlist.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["serch"], ["search"], ["search", "x", "--top-k", "0"], ["rerank", "x", "y", "--nonsense"]]
)
def test_a_wrong_command_line_exits_with_2_and_shows_the_way_to_help(arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--help" in outcome.err


def test_the_manual_page_is_what_help_says(request: pytest.FixtureRequest) -> None:
    """`man/shortlist.1` is installed beside the command; `pytest --update-golden` writes it."""
    outcome = run("man")
    assert (outcome.code, outcome.err) == (0, "")
    if request.config.getoption("--update-golden"):
        MANUAL.write_text(outcome.out, encoding="utf-8")
    assert outcome.out == MANUAL.read_text(encoding="utf-8")
    commands = getattr(typer.main.get_command(app), "commands", {})
    assert "How long a document is. [default: 180]" in outcome.out
    assert [name for name in commands if f".SS shortlist {name}".replace("-", "\\-") not in outcome.out] == []


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_manual_page_is_set_without_a_warning() -> None:
    set_page = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-rLL=78n", MANUAL], capture_output=True, encoding="utf-8", check=True
    )
    assert set_page.stderr == ""
    assert "\n   " in set_page.stdout


def on_path(folder: Path) -> Path:
    """Put the command into a folder, for shells to run."""
    command = folder / "shortlist"
    command.write_text(f"#!{sys.executable}\nfrom shortlist.cli import main\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_models(tmp_path: Path) -> None:
    """A real bash sources the script and asks for the words that may follow."""
    script = """
    PATH="$1:$PATH"; source <(shortlist completion bash)
    words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shortlist_completion shortlist; echo "${COMPREPLY[@]}"; }
    words shortlist se; words shortlist search --prec; words shortlist rerank q --model shortlist-m
    """
    done = subprocess.run(["bash", "-c", script, "bash", on_path(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["search serve", "--precision", "shortlist-minilm-l6"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_commands_options_and_models(tmp_path: Path) -> None:
    """A real fish sources the script and asks for the words that may follow, with what they are for."""
    script = "shortlist completion fish | source; for line in $argv; complete -C $line; end"
    lines = ["shortlist se", "shortlist search --prec", "shortlist rerank q --model shortlist-m"]
    environment = {**os.environ, "PATH": f"{on_path(tmp_path)}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    command = ["fish", "--no-config", "-c", script, *lines]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    words = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert [word for word in words if word] == ["search", "serve", "--precision", "shortlist-minilm-l6"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_completes_at_the_first_tab(tmp_path: Path) -> None:
    """A real zsh finds the script in its fpath, within a terminal of its own, where Tab is pressed once."""
    script = """
    zmodload zsh/zpty
    shortlist completion zsh > $1/_shortlist
    zpty it "PS1='> ' zsh -f -i"
    zpty -w it "fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -D; print rea''dy"
    zpty -r it seen $'*ready\\r\n*'
    zpty -w -n it $'shortlist sea\t'
    zpty -r it seen '*sea*rch *'
    print found
    """
    environment = {**os.environ, "PATH": f"{on_path(tmp_path)}:{os.environ['PATH']}", "TERM": "dumb"}
    command = ["zsh", "-f", "-c", script, "zsh", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["found"], done.stdout + done.stderr


def test_every_shell_has_its_script_and_others_are_refused() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_SHORTLIST_COMPLETE" in run("completion", shell).out
    outcome = run("completion", "tcsh")
    assert outcome.code == 2
    assert "there is a script for bash, zsh, fish; got 'tcsh'" in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        "plan --p95 inf",
        "plan --p95 200 --fleet --qps 1e400",
        "search tower . --depth 1000000000000000000000",
        "search tower . --budget-ms inf",
        "search tower . --min-score -inf",
        "evaluate -c nowhere --seed 1000000000000000000000",
        "rerank a b --top-k 1000000000000000000000",
    ],
)
def test_a_number_that_cannot_be_counted_with_is_refused_by_its_option(command: str) -> None:
    outcome = run(*command.split())
    option, value = command.split()[-2:]
    said = value if value.isdecimal() else str(float(value))
    assert (outcome.code, outcome.err) == (2, f"error: {option} must be a number up to 1e+12; got {said}\n")
