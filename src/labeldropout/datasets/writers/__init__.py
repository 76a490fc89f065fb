"""Writers of the data sets' own formats, for the simulator and the fixtures."""

from labeldropout.datasets.writers import camus, echonet, unity

WRITERS = {"camus": camus, "unity": unity, "echonet": echonet}
