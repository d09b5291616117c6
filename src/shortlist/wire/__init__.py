"""The JSON formats of rerank servers, read and written in both directions without any I/O."""

from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.dialects import DIALECTS
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, Usage, WireDocument

__all__ = [
    "DIALECTS",
    "Dialect",
    "ErrorReply",
    "Fault",
    "Limits",
    "RerankRequest",
    "RerankResponse",
    "RerankResult",
    "Usage",
    "WireDocument",
]
