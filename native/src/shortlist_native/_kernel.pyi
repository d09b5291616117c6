from collections.abc import Sequence
from typing import Any

def precisions() -> tuple[str, ...]: ...
def pack(matrix: Any, packed: Any, inputs: int, outputs: int, is_bytes: bool, /) -> None: ...
def encode(
    sizes: tuple[int, int, int, int, int, int, int, int, str, str, float],
    tensors: Sequence[Any],
    ids: Any,
    types: Any,
    lengths: Any,
    results: Any,
    /,
) -> None: ...
