"""CAMUS."""
