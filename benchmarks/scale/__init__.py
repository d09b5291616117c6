"""Size and safety of the index on one machine."""
