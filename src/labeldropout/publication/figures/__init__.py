"""One table in, one figure out."""
