"""A study on a machine: its plan, its runs, and the traces they leave."""
