"""The server under load and under faults, beside its peers."""
