"""From prepared arrays to weights and scores."""
