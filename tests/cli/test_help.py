from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
import typer

import shortlist
from shortlist.cli.app import app

from .running import run

GOLDEN = Path(__file__).parent / "golden"
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
    "advise",
    "calibrate",
    "plan",
    "evaluate",
    "models",
    "train",
    "verify",
    "pull",
    "pack",
    "unpack",
    "doctor",
    "probe-injection",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_as_it_did(command: str, request: pytest.FixtureRequest) -> None:
    outcome = run(*command.split(), "--help")
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
    assert f"Example:  shortlist {command} " in run(command, "--help").out


def test_the_version_is_the_package_version() -> None:
    assert run("--version").out == f"{shortlist.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["serch"], ["search"], ["search", "x", "--top-k", "0"], ["rerank", "x", "y", "--nonsense"]]
)
def test_a_wrong_command_line_exits_with_2_and_shows_the_way_to_help(arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--help" in outcome.err
