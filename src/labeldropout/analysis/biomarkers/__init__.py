"""Volumes and ejection fractions, and how they agree."""
