"""Segmentation learned from several partially labelled data sets, and label dropout, which breaks its shortcut.

Letters used for shapes in docstrings and annotations: N batch, C structures with background as channel 0, H rows, W
columns, T frames, R ranges (depth samples), A angles (beams). Coordinates and spacings are (row, column).
"""
