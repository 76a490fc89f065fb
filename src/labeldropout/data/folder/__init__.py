"""A folder of pictures and masks of anybody's own, described in the configuration and not in code.

Origin: whoever owns the folder; its licence too.
Counts: those of its files.
Annotated: what the options say, for all pictures or, in a table, for each of them; never guessed from the pixels.
Oddities: masks in which a few pixels have values between those of the structures (drawn with a soft brush, or stored
with loss) are refused, or rounded and counted if the options ask for it. Pictures with equal bytes are one group.
"""

NAME = "folder"

TITLE = "Folder of pictures"

LICENCE = "that of the pictures' owner"

CITATION = "that which the pictures' owner asks for"

HOW_TO_GET = (
    "Name the folder of your pictures as raw: in the configuration, or make it a symbolic link to where they are;"
    " docs/study/own-pictures.md walks through it."
)

REPORTED = {"subjects": None, "images": None, "structures": "", "views": ""}
"""The paper has none of these pictures."""

UNIT = "images"
"""The unit in which sizes are given."""

IMAGES_PER_UNIT = 1

IMAGES = 400
"""Guess of `plan`, before the folder is read."""

REAL_PIXELS = 250_000
"""Guess of `plan` for the mean size of a picture."""

SIMULATED_PIXELS = 250_000
"""Not used: a folder is not simulated."""
