"""Declared claims, the scores of a study, and the ledger that follows."""
