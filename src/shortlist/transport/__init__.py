"""Asking other servers over HTTP: when to try again, how long to wait, what an answer means."""

from shortlist.transport.bridge import Bridge
from shortlist.transport.client import Answer, Client
from shortlist.transport.keys import Secret, find_key
from shortlist.transport.policy import Policy

__all__ = ["Answer", "Bridge", "Client", "Policy", "Secret", "find_key"]
