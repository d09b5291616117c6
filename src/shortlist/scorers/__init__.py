"""The models that score or reorder candidates."""
