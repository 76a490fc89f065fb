"""The data sets this project knows, each a module with its licence, counts, oddities and `read_cases`."""

from labeldropout.datasets import camus, echonet, unity

DATASETS = {"camus": camus, "unity": unity, "echonet": echonet}
