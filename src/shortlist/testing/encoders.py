"""What every encoder must keep."""

from __future__ import annotations

import numpy as np

from shortlist.protocols import Encoder, Role
from shortlist.testing.texts import DOCUMENTS


def check_encoder(encoder: Encoder, *, tolerance: float = 1e-4) -> None:
    """Check an encoder: unit vectors `[texts, dimension]`, the same whatever else is encoded with them."""
    assert isinstance(encoder, Encoder), f"{type(encoder).__name__} misses a part of the protocol"
    assert encoder.fingerprint, "the fingerprint is empty"
    texts = [document.full_text for document in DOCUMENTS]
    vectors = encoder.encode(texts, role=Role.DOCUMENT)
    assert vectors.shape == (len(texts), encoder.dimension), f"vectors {vectors.shape}"
    assert vectors.dtype == np.float32, f"vectors are {vectors.dtype}, not float32"
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3), "vectors are not of unit length"
    alone = np.concatenate([encoder.encode([text], role=Role.DOCUMENT) for text in texts])
    assert np.allclose(vectors, alone, atol=tolerance), "vectors move with what else is encoded"
    assert encoder.encode([], role=Role.QUERY).shape == (0, encoder.dimension), "no texts must give no vectors"
