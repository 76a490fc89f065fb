"""Comparisons that are declared before any result is seen, for the list of the study on cells."""

from itertools import product
from pathlib import Path

import pandas as pd

from labeldropout.analysis.contrasts import declared, declared_instrument
from labeldropout.analysis.study import CELL, Study
from labeldropout.labels import number_structures, values_of
from labeldropout.learning.experiments import parse_row
from labeldropout.running.study_list import read_list

LIST = Path(__file__).resolve().parents[2] / "config" / "experiments_cells.tsv"
STRUCTURES = number_structures(["nucleus", "cytoplasm"])
LABORATORIES = ("laboratory_1", "laboratory_2")


def study_on_cells() -> Study:
    """The study with a score of every model in every cell."""
    rows = tuple(parse_row(row, LABORATORIES, STRUCTURES) for row in read_list(LIST))
    cells = product([row.model for row in rows], LABORATORIES, [*values_of(STRUCTURES), "mean"], ["dataset"])
    scores = pd.DataFrame(cells, columns=["model", *CELL])
    settings = {"structures": values_of(STRUCTURES), "simulated": False, "real": list(LABORATORIES), "severity": 1.0}
    return Study(rows, scores, scores, pd.DataFrame(), pd.DataFrame(), settings)


def test_each_place_where_labels_are_hidden_has_a_family_of_its_own():
    """Every remedy is compared with the adaptive loss of its place, in the cell where labels are hidden alone."""
    families: dict[str, list] = {}
    for contrast in declared_instrument(study_on_cells()):
        if contrast.family.startswith("remedies: "):
            families.setdefault(contrast.family, []).append(contrast)
    assert {name: {(one.a.model, one.dataset, one.structure) for one in found} for name, found in families.items()} == {
        "remedies: cytoplasm in laboratory_2 hidden": {("c2-p00", "laboratory_2", "cytoplasm")},
        "remedies: cytoplasm in laboratory_1 hidden": {("c1-p00", "laboratory_1", "cytoplasm")},
        "remedies: nucleus in laboratory_2 hidden": {("n2-p00", "laboratory_2", "nucleus")},
    }
    against = {name: {one.b.model for one in found} for name, found in families.items()}
    assert against["remedies: nucleus in laboratory_2 hidden"] == {
        *("benchmark", "n2-p01", "n2-p05", "n2-oracle", "n2-standard", "n2-marginal", "n2-adaptive_bce")
    }


def test_the_paper_s_comparisons_are_those_of_one_place():
    """Experiment 4 compares every probability with none, where the cytoplasm of the second laboratory is hidden."""
    found = [one for one in declared(study_on_cells()) if one.family == "experiment 4: hidden structure"]
    assert {one.b.model for one in found} == {"benchmark", *(f"c2-p{n}" for n in ("01", "03", "05", "08", "10"))}
    assert {(one.dataset, one.structure) for one in found} == {("laboratory_2", "cytoplasm")}
