"""From tables to people."""
