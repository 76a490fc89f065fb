"""Turn tables into figures, reports and prose."""
