"""From raw files to prepared arrays."""
