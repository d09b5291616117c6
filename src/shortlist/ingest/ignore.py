"""What .gitignore files leave out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules in force in a folder: those of its own file before those of the folders above it."""

    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()  # innermost first

    @classmethod
    def above(cls, path: Path) -> IgnoreRules:
        """Read the rules of the repository around `path`; none when there is none or it ignores `path` itself."""
        folders = [path, *path.parents]
        root = next((place for place, folder in enumerate(folders) if os.path.exists(folder / ".git")), 0)
        rules = cls()
        for folder in reversed(folders[1 : root + 1]):
            rules = rules.within(folder)
        return cls() if rules.ignores(path, is_folder=True) else rules

    def within(self, folder: Path) -> IgnoreRules:
        """Return the rules in force in a folder below; a file that cannot be read has none."""
        try:
            lines = (folder / ".gitignore").read_text(encoding="utf-8-sig", errors="replace").splitlines()
        except OSError:
            return self
        spec = GitIgnoreSpec.from_lines(filter(_is_pattern, lines))
        return IgnoreRules(((folder.absolute(), spec), *self.specs))

    def ignores(self, path: Path, *, is_folder: bool) -> bool:
        """Tell whether `path`, an entry of the folder, is left out; the innermost rule that matches decides."""
        for folder, spec in self.specs:
            name = path.absolute().relative_to(folder).as_posix() + ("/" if is_folder else "")
            if (decision := spec.check_file(name).include) is not None:
                return decision
        return False


def _is_pattern(line: str) -> bool:
    """Tell whether a line means something; git passes over the others, such as a lone `!`."""
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
