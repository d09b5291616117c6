"""An index on an engine that shards and replicates: the same documents, words and vectors as in a folder."""

from shortlist.retrieval.remote.connect import ENGINES, Address, connect, open_remote
from shortlist.retrieval.remote.engine import Retrying, Spread
from shortlist.retrieval.remote.push import Pushed, push
from shortlist.retrieval.remote.remote import RemoteIndex

__all__ = ["ENGINES", "Address", "Pushed", "RemoteIndex", "Retrying", "Spread", "connect", "open_remote", "push"]
