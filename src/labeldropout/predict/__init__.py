"""Outline structures in any pictures."""
