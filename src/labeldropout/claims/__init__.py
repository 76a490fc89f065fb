"""Claims declared before the results, the scores of a study, and the ledger that follows."""
