"""A BERT encoder in bf16 on the matrix unit of Intel processors (AMX): the engine "native" of shortlist."""

from shortlist_native._kernel import encode, pack, supported

__version__ = "0.1.0"
__all__ = ["__version__", "encode", "pack", "supported"]
