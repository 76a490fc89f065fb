"""Draw each figure from one table."""
