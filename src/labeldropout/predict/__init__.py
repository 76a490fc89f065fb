"""Anybody's pictures, outlined."""
