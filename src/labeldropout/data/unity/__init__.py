"""Unity Imaging: apical stills whose structures are drawn as open curves of few points.

Origin: the Unity Imaging Collaborative, many British hospitals and several makers of scanners. Licence and citation:
below; public sources disagree on the licence.
Counts: the release of December 2020 labels about 7,522 images, most of them not apical; the paper used 400, chosen by a
list that is not public.
Annotated: the release says it image by image and curve by curve. `curve` is drawn, `off` was looked for and is not
there, `blurred` cannot be told. The key of an epicardial curve, and with it the myocardium, has to be configured.
Oddities: some exporters also write `off` where nobody was asked to draw. Views and pixel sizes stand in files of their
own, and the second is given out by the authors only. A video is the smallest unit that can be told apart: which videos
show the same person is not known. Some four-chamber stills have a myocardium that runs over into the right ventricle,
so the importer proposes a curation.
"""

NAME = "unity"

TITLE = "Unity Imaging"

LICENCE = (
    "Creative Commons BY-NC-ND or BY-NC-SA 4.0 (public sources disagree; labels/LICENSE.txt decides): treat it as ND "
    "and publish no image, mask or other derived data"
)

CITATION = (
    "J. P. Howard et al., Automated left ventricular dimension assessment using artificial intelligence developed and "
    "validated by a UK-wide collaborative, Circulation: Cardiovascular Imaging 14, e011951, 2021, "
    "doi:10.1161/CIRCIMAGING.120.011951"
)

HOW_TO_GET = (
    "Download png-cache.zip (1.27 GB), labels.zip and the view index from the Unity Imaging collaborative, "
    "https://data.unityimaging.net, under its Creative Commons non-commercial licence (labels/LICENSE.txt); put the "
    "unpacked folders png-cache/ and labels/, view_index.csv and, if the authors gave it to you, "
    "01_database_physical.csv (size of the pixels) into data/raw/unity, or make data/raw/unity a symbolic link to "
    "where they are."
)

REPORTED = {"subjects": None, "images": 400, "structures": "LV + LVM + LA", "views": "A2C"}
"""Table 1 of the paper, which names no number of subjects."""

UNIT = "images"
"""What the sizes of a simulated data set are counted in."""

IMAGES_PER_UNIT = 1

IMAGES = 400
"""Stills that the paper used."""

REAL_PIXELS = 480_000
"""About the mean size of a still in the release, where they have between 300 x 400 and 768 x 1024 pixels."""

SIMULATED_PIXELS = 124_000
"""Mean size of a simulated still, counted in the smoke study."""
