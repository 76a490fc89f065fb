"""CAMUS: 500 patients, apical two- and four-chamber views, end diastole and end systole, three structures.

Origin: the University Hospital of St Etienne, published by CREATIS in 2019. Licence and citation: below.
Counts: 500 patients, two views and two instants each, hence 2,000 stills; the paper counts 1,000 images.
Annotated: cavity and myocardium of the left ventricle, and the left atrium, in every still. The older release
withholds the label maps of its 50 test patients: there, nothing is annotated.
Oddities: there are two releases. The current one, in NIfTI, numbers 500 patients; that of 2019, in MetaImage, numbers
training and test patients separately, and no published list maps one numbering to the other. Its pixels are not square.
The instant is given by the file name, and end systole comes first in some half sequences. The data set TED shares
patients with CAMUS and looks the same; the importer refuses it.
"""

NAME = "camus"

TITLE = "CAMUS: Cardiac Acquisitions for Multi-structure Ultrasound Segmentation"

LICENCE = (
    "CC BY-NC-SA 4.0 according to third parties; LICENSE_TERMS.md of the download decides. Not for redistribution here."
)

CITATION = (
    "S. Leclerc et al., Deep learning for segmentation using an open large-scale dataset in 2D echocardiography, "
    "IEEE Transactions on Medical Imaging 38(9):2198-2210, 2019, doi:10.1109/TMI.2019.2900516 (citing it is mandatory)."
)

HOW_TO_GET = (
    "Download CAMUS_public (about 3.7 GB) from the CREATIS human heart collection, "
    "https://www.creatis.insa-lyon.fr/Challenge/camus/, under its licence (CC BY-NC-SA 4.0 according to third parties; "
    "see LICENSE_TERMS.md), and put it, or a link to it, at data/raw/camus, so that "
    "data/raw/camus/CAMUS_public/database_nifti/patient0001 exists. The older release with training/ and testing/ and "
    "the patients as MetaImage files are read as well."
)

REPORTED = {"subjects": 500, "images": 1000, "structures": "LV, LVM, LA", "views": "A2C, A4C"}
"""Table 1 of the paper; both views at both instants make 2,000 stills."""

UNIT = "patients"
"""The unit in which sizes of a simulated data set are given."""

IMAGES_PER_UNIT = 4
"""Both views at both instants."""

IMAGES = 2000
"""Number of stills that importing the real data set gives."""

REAL_PIXELS = 540_000
"""Approximate mean size of a still in the release."""

SIMULATED_PIXELS = 150_000
"""Mean size of a simulated still, measured in the smoke study."""
