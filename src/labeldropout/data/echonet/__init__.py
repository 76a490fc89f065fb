"""EchoNet-Dynamic: 10,030 four-chamber videos with the left ventricle traced at two instants.

Origin: Stanford University Hospital, published by Stanford AIMI in 2019. Licence and citation: below.
Counts: 10,030 videos in FileList.csv, of which 10,024 have two usable tracings, hence 20,048 frames.
Annotated: the cavity of the left ventricle, at end diastole and end systole. Myocardium and left atrium are visible but
not annotated: unknown, never absent.
Oddities: the videos were shrunk to 112 x 112 pixels and have no pixel spacing, so distances in mm are undefined. A few
videos have no tracing or a different size, one tracing has no video in the list, and some frames are traced twice. The
traced areas tell which frame is end diastole; the order of frames or rows does not. Only one of the two tables writes
video names with their extension.
"""

NAME = "echonet"

TITLE = "EchoNet-Dynamic"

LICENCE = (
    "Stanford University Research Use Agreement: registered users only; no part, and nothing derived from it, may be "
    "passed on"
)

CITATION = (
    "D. Ouyang et al., Video-based AI for beat-to-beat assessment of cardiac function, Nature 580, 252-256, 2020, "
    "doi:10.1038/s41586-020-2145-8"
)

HOW_TO_GET = (
    "Download EchoNet-Dynamic (about 7 GB) from Stanford AIMI, linked from https://echonet.github.io/dynamic, after "
    "registering and accepting the Stanford University Research Use Agreement; put the unpacked folder, with Videos/, "
    "FileList.csv and VolumeTracings.csv, at data/raw/echonet, or make data/raw/echonet a symbolic link to it."
)

REPORTED = {"subjects": 10024, "images": 20048, "structures": "LV", "views": "A2C + A4C"}
"""Table 1 of the paper; the data set itself is A4C only."""

FRAME_SIZE = 112
"""Height and width of every traced video, in pixels."""

UNIT = "videos"
"""The unit in which sizes of a simulated data set are given."""

IMAGES_PER_UNIT = 2
"""End diastole and end systole."""

IMAGES = 20_048
"""Number of frames that importing the real data set gives."""

REAL_PIXELS = SIMULATED_PIXELS = FRAME_SIZE**2
