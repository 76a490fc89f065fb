"""Segmentation from several partially labelled data sets, and how label dropout breaks the shortcut in it.

Letters in the shapes of docstrings and annotations: N batch, C structures with background as channel 0, H rows,
W columns, T frames, R ranges (depth samples), A angles (beams). Coordinates and spacings are (row, column).
"""
