"""Models for a machine without a network: fetched, packed into one file, unpacked where their names are looked up."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Any

from shortlist.errors import CorruptModelError, InputError, ModelError, ShortlistError
from shortlist.inference.complete import check_complete
from shortlist.inference.hub import MODEL_FILES, OWN_FILES, fetch, stored_folder
from shortlist.inference.models import find_model, on_hub
from shortlist.inference.modules import read_json
from shortlist.weights import find_packaged

_MANIFEST, _FORMAT, _LARGEST_MANIFEST = "manifest.json", 1, 10_000_000
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_CARDS = ("card.json", "static.json")  # of what `shortlist` makes itself, which may need no config.json
_OWN = "shortlist.json"  # in a model's folder: under which name it was fetched
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundled:
    """A model in a bundle: its name, and size and SHA-256 of each of its files by their paths."""

    name: str
    files: Mapping[str, tuple[int, str]]

    @property
    def folder(self) -> str:
        """The name as one part of a path."""
        return self.name.replace("/", "--")


def pull(name: str, *, folder: Path | None = None, revision: str | None = None) -> Path:
    """Fetch a model from the hub into its cache, or into `folder`, and return where it is.

    `folder` then holds all that is needed, and a note under which name it was fetched. What is
    there already is not fetched again. Raises InputError for a packaged model or a folder, and as
    `find_model` does.
    """
    if find_packaged(name) is not None or Path(name).is_dir():
        raise InputError(f"{name!r} is on this machine already; there is nothing to fetch")
    if folder is None:
        return find_model(name, revision=revision).path
    hub_id, pinned = on_hub(name, revision=revision)
    fetch(hub_id, revision=pinned, folder=folder)
    (folder / _OWN).write_text(json.dumps({"name": hub_id}) + "\n", encoding="utf-8")
    return find_model(str(folder)).path


def pack(names: Sequence[str], bundle: Path) -> tuple[Bundled, ...]:
    """Write models with a manifest of checksums into one tar file, which appears when it is complete.

    A model is named as in `find_model`. Raises InputError for a packaged one, which every install
    has, and ModelError when the file cannot be written.
    """
    models = [(_bundled_name(name), _folder_of(name)) for name in names]
    if len({name for name, _ in models}) < len(models):
        raise InputError(f"a model is named twice: {', '.join(name for name, _ in models)}")
    bundled = tuple(Bundled(name, _checksums(path)) for name, path in models)
    content = {"format": _FORMAT, "models": [{"name": b.name, "files": b.files} for b in bundled]}
    manifest = json.dumps(content, indent=1).encode()
    draft = bundle.with_name(f"{bundle.name}.{os.getpid()}.part")
    try:
        with _writing(bundle), tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, _MANIFEST, io.BytesIO(manifest), len(manifest))
            for one, (_, path) in zip(bundled, models, strict=True):
                for file, (size, _) in one.files.items():
                    with (path / file).open("rb") as stream:
                        _add(tar, f"{one.folder}/{file}", stream, size)
        draft.replace(bundle)
    finally:
        draft.unlink(missing_ok=True)
    return bundled


def unpack(bundle: Path, *, folder: Path | None = None) -> dict[str, Path]:
    """Unpack a bundle and return each model's folder by its name; nothing appears unless all of it is right.

    Without `folder` the models go where `find_model` looks for their names. Only plain files that
    the manifest lists are taken, each with its size and SHA-256. Raises CorruptModelError that names
    what is damaged or does not belong there, InputError when a model is there already.
    """
    try:
        with tarfile.open(bundle, "r:") as tar:
            models = _manifest(tar, bundle)
            targets = {m.name: folder / m.folder if folder else stored_folder(m.name) for m in models}
            for target in targets.values():
                if target.exists():
                    raise InputError(f"{target} is there already; remove it, or choose another folder")
            root = next(iter(targets.values())).parent
            with _writing(root):
                _unpacked(tar, bundle, models, targets, root)
    except ShortlistError:
        raise
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:  # a damaged header raises any of them
        raise CorruptModelError(f"{bundle} is damaged or no bundle ({error}); copy it again") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no bundle {bundle}") from error
    return targets


def _unpacked(
    tar: tarfile.TarFile, bundle: Path, models: Sequence[Bundled], targets: Mapping[str, Path], root: Path
) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as scratch:
        _extract(tar, bundle, models, Path(scratch))
        for model in models:
            made = Path(scratch) / model.folder
            (made / _OWN).write_text(json.dumps({"name": model.name}) + "\n", encoding="utf-8")
            check_complete(made)
        for model in models:
            shutil.move(Path(scratch) / model.folder, targets[model.name])


def _extract(tar: tarfile.TarFile, bundle: Path, models: Sequence[Bundled], out: Path) -> None:
    wanted = {f"{model.folder}/{file}": sums for model in models for file, sums in model.files.items()}
    for member in iter(tar.next, None):
        size, digest = wanted.pop(member.name, (-1, ""))
        if size < 0 or not member.isreg():
            raise CorruptModelError(
                f"{bundle} holds {member.name!r}, which its manifest does not; nothing was unpacked"
            )
        content = tar.extractfile(member)
        if content is None or member.size != size or _copied(content, out / member.name) != digest:
            raise CorruptModelError(
                f"{member.name} in {bundle} is damaged (its checksum differs); copy the bundle again"
            )
    if wanted:
        raise CorruptModelError(f"{bundle} ends before {next(iter(wanted))!r}; copy the bundle again")


def _manifest(tar: tarfile.TarFile, bundle: Path) -> tuple[Bundled, ...]:
    first = tar.next()
    if first is None or first.name != _MANIFEST or not first.isreg() or first.size > _LARGEST_MANIFEST:
        raise CorruptModelError(f"{bundle} does not begin with {_MANIFEST}; it is no bundle of `shortlist pack`")
    stream = tar.extractfile(first)
    try:
        content = json.loads(stream.read() if stream is not None else b"")
        models = tuple(_read(model) for model in content["models"])
        known = content["format"] == _FORMAT
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptModelError(f"the manifest of {bundle} cannot be used ({error}); copy the bundle again") from error
    if not known or not models:
        raise CorruptModelError(f"{bundle} has format {content['format']!r}; this version reads {_FORMAT}")
    return models


def _read(model: Mapping[str, Any]) -> Bundled:
    name, files = str(model["name"]), {str(f): (int(size), str(sum_)) for f, (size, sum_) in model["files"].items()}
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no model's name")
    for file in files:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or "\\" in file or ":" in file or str(path) != file:
            raise ValueError(f"{file!r} would leave the model's folder")
    return Bundled(name, files)


def _bundled_name(name: str) -> str:
    if find_packaged(name) is not None:
        raise InputError(f"{name} is part of every install; there is nothing to pack")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(read_json(folder / _OWN, dict).get("name") or folder.resolve().name)
    return on_hub(name)[0]


def _folder_of(name: str) -> Path:
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file() or not any((folder / card).is_file() for card in _CARDS):
        return find_model(name).path
    check_complete(folder)
    return folder


def _checksums(folder: Path) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = file.relative_to(folder).as_posix()
        if relative != _OWN and any(fnmatch(relative, pattern) for pattern in (*MODEL_FILES, *OWN_FILES)):
            with file.open("rb") as stream:
                found[relative] = (file.stat().st_size, _sha256(stream))
    return found


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _copied(content: IO[bytes], out: Path) -> str:
    """Write a stream into a new file and return its SHA-256."""
    digest = hashlib.sha256()
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("xb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _add(tar: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    """Add a plain file, with neither owner nor time, so that the same models make the same bundle."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, stream)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"{path} cannot be written ({reason}); free some space or choose another place") from error
