"""What the documents say is executed or checked."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from shortlist.cli.app import app
from shortlist.cli.output import ranking_json
from shortlist.server.settings import ServeSettings
from shortlist.settings import Settings
from shortlist.types import Document, Place, Query, Ranking

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page run in order, as one program, in a folder that holds the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_named_files_exist(page: Path) -> None:
    """Every path in backquotes that looks like one of ours is there."""
    named = re.findall(r"`((?:src|tests|docs|examples|scripts|benchmarks|\.ci)/[\w./-]+)`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_sites_navigation() -> None:
    """A new page of docs/ needs one line below `nav` in mkdocs.yml."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"^ +- .+: ([\w./-]+\.md)$", nav, re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXCUSED = {
    "py": "needs an account, a server, another framework, or a model that is not here",
    "text": "no program",
    "json": "no program",
    "ts": "run by tests/examples/test_javascript.py",
    "toml": "no program",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_excused(page: Path) -> None:
    """Python runs above; commands of ours are parsed below; everything else has its reason."""
    kinds = {kind for kind, _ in FENCE.findall(page.read_text(encoding="utf-8"))}
    assert kinds <= {"python", "bash", "sh", *EXCUSED}


SHELL = re.compile(r"^(?:```(?:bash|sh)\n(.*?)^```$|((?:^    .*\n)+))", re.MULTILINE | re.DOTALL)


def commands_of(page: str) -> list[list[str]]:
    """Return the words behind `shortlist` of every shell line of ours, continued lines joined, up to a pipe."""
    blocks = "\n".join(fenced or indented for fenced, indented in SHELL.findall(page)).replace("\\\n", " ")
    found = re.findall(
        r"(?:^|&& |/)shortlist ([a-z-].*)$", "\n".join(map(str.strip, blocks.splitlines())), re.MULTILINE
    )
    return [list(takewhile(lambda word: word not in {"|", ">"}, shlex.split(line, comments=True))) for line in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_shell_blocks_are_ours(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for words in commands_of(page.read_text(encoding="utf-8")):
        command = group.commands.get(words[0])
        assert command is not None, words
        known = [command, *getattr(command, "commands", {}).values()]
        options = {name for one in known for option in one.params for name in (*option.opts, *option.secondary_opts)}
        given = [word for word in words[1:] if re.match(r"--?[a-z]", word)]
        assert [option for option in given if option not in options | {"--help"}] == [], words


def test_commands_are_found_where_readers_see_them() -> None:
    assert commands_of("```bash\nshortlist search 'a b' docs \\\n  -k 3 | less\n```\n") == [
        ["search", "a b", "docs", "-k", "3"]
    ]
    assert len([words for page in PAGES for words in commands_of(page.read_text(encoding="utf-8"))]) > 20


def documented(page: str) -> dict[str, object]:
    """Return the defaults by name of the table of settings on a page."""
    table = (
        (ROOT / "docs" / page).read_text(encoding="utf-8").partition("<!-- settings:")[2].partition("<!-- end of")[0]
    )
    return {
        name: json.loads(default) for name, default in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", table, re.MULTILINE)
    }


@pytest.mark.parametrize(("page", "settings"), [("cli.md", Settings()), ("serving.md", ServeSettings())])
def test_every_setting_is_documented_with_its_default(page: str, settings: Settings | ServeSettings) -> None:
    defaults = {field.name: getattr(settings, field.name) for field in fields(settings)}
    assert documented(page) == json.loads(json.dumps(defaults))


def test_what_a_ranking_is_in_json_is_documented() -> None:
    ranking = Ranking.in_order(Query("how tall?"), [Document("It is 330 m tall.", "a", place=Place("tower.md", 1, 1))])
    told = ranking_json(ranking)
    named = re.findall(r"`(\w+)`", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## JSON")[2])
    held = [*told, *told["results"][0], *told["results"][0]["place"]]
    assert [key for key in held if key not in named] == []


def test_every_room_is_on_the_map() -> None:
    rooms = [p.name for p in (ROOT / "src" / "shortlist").iterdir() if (p / "__init__.py").is_file()]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(rooms) > 10
    assert [room for room in rooms if f"`{room}" not in text] == []
