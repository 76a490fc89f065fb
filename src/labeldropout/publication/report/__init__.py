"""The report: one page, and a folder next to it."""
