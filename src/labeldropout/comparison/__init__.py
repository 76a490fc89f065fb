"""The tables behind figures and tables, the panels' cases, and the tests; beside the paper's numbers."""
