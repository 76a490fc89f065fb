"""The data sets this project knows, each a module with its licence, counts, oddities and `read_cases`."""

from labeldropout.data.camus import importer as camus
from labeldropout.data.echonet import importer as echonet
from labeldropout.data.unity import importer as unity

DATASETS = {"camus": camus, "unity": unity, "echonet": echonet}
