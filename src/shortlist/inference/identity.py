"""What tells one model's files from another's: a hash of what they hold, quick for files of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from shortlist.inference.export.safetensors import list_tensors

_EDGE = 1 << 12  # bytes of each end of a tensor
_WHOLE = 1 << 28  # bytes; a file up to this size is read whole, in some .2 s
_SAMPLES, _BLOCK = 1024, 1 << 16


def content_hash(file: Path) -> str:
    """Return a SHA-256, in hex, that changes with what a file holds.

    Of safetensors the header and both ends of every tensor are read: training, merging an adapter and scaling a head
    all show there. Another file is read whole up to 256 MB, and in 1,024 evenly spaced blocks of 64 KB beyond, where
    a change of a few values may be missed. Raises CorruptModelError for damaged safetensors.
    """
    told = file.stat()
    return _hashed(file, told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(file: Path, size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        for start, length in _spans(file, size):
            content.seek(start)
            digest.update(content.read(length))
    return digest.hexdigest()


def _spans(file: Path, size: int) -> Iterator[tuple[int, int]]:
    """Yield where to read and how much of it."""
    if file.suffix == ".safetensors":
        tensors = list_tensors(file).values()
        yield 0, min((tensor.start for tensor in tensors), default=size)
        for tensor in tensors:
            yield tensor.start, min(_EDGE, tensor.end - tensor.start)
            yield max(tensor.start, tensor.end - _EDGE), min(_EDGE, tensor.end - tensor.start)
    elif size <= _WHOLE:
        yield from ((start, _BLOCK) for start in range(0, size, _BLOCK))
    else:
        yield from (((size - _BLOCK) * sample // (_SAMPLES - 1), _BLOCK) for sample in range(_SAMPLES))
