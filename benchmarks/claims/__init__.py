"""What people say of two-stage retrieval, measured."""
