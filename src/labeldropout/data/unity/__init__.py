"""Unity Imaging: apical stills with structures drawn as open curves of few points.

Origin: the Unity Imaging Collaborative, with many British hospitals and scanners of several makes. Licence and
citation: below; public sources disagree on the licence.
Counts: the release of December 2020 labels about 7,522 images, most of them not apical; the paper used 400, from a list
that is not public.
Annotated: the release states this for each image and curve: `curve` is drawn, `off` was looked for but is not there,
`blurred` is undecidable. The key of an epicardial curve, and with it the myocardium, has to be configured.
Oddities: some exporters also write `off` where nobody was asked to draw. Views and pixel sizes are in separate files,
and the latter is available only from the authors. Videos are the smallest unit that can be distinguished: which videos
show the same person is not known. In some four-chamber stills the myocardium extends into the right ventricle, so the
importer proposes a curation.
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
"""Table 1 of the paper, which gives no number of subjects."""

UNIT = "images"
"""The unit in which sizes of a simulated data set are given."""

IMAGES_PER_UNIT = 1

IMAGES = 400
"""Stills that the paper used."""

REAL_PIXELS = 480_000
"""Approximate mean size of a still in the release, where sizes range from 300 x 400 to 768 x 1024 pixels."""

SIMULATED_PIXELS = 127_000
"""Mean size of a simulated still, measured in the smoke study."""
