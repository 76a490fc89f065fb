"""What the echo studies segment: the structures of the heart, with their values in a label map."""

from enum import IntEnum

from labeldropout.labels import structures_of, values_of


class Structure(IntEnum):
    """What a pixel of a label map can show; the value is the pixel value and the channel of the network."""

    BACKGROUND = 0
    """Everything that is none of the structures below."""
    LV = 1
    """Left ventricular cavity."""
    LVM = 2
    """Left ventricular myocardium."""
    LA = 3
    """Left atrium."""


FOREGROUND = (Structure.LV, Structure.LVM, Structure.LA)
"""All structures that an annotator can draw, in channel order."""


STRUCTURES = structures_of(values_of(FOREGROUND))
"""The same as a study names them."""


COLOURS = {Structure.LV: (230, 159, 0), Structure.LVM: (86, 180, 233), Structure.LA: (0, 158, 115)}
"""Red, green and blue (0 to 255) of each structure in every picture: three of Okabe and Ito's colours, which
colour-blind readers can tell apart."""
