"""The report: one page, and a folder beside it."""
