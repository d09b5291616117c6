"""An encoder like BERT for x86-64: bf16 and int8 with AMX, int16 with AVX2. The engine "native" of shortlist."""

from shortlist_native._kernel import encode, pack, precisions

__version__ = "0.3.0"
__all__ = ["__version__", "encode", "pack", "precisions"]
