"""What answers at which path: decode, one call, encode."""
