"""The study on real cells: what it plans on a folder in the public repository's layout, and what it asks for."""

import pytest
from folder_pictures import write_laboratories
from workflow_copy import Workflow

CELLS = ("--configfile", "config/cells.yaml")
DATA = dict.fromkeys(("import_dataset", "segment_cone", "prepare", "split"), 2)
GRID = {"resolve_candidate": 4, "train_candidate": 4, "select_hyperparameters": 1}

pytestmark = pytest.mark.slow


@pytest.fixture
def cells(workflow: Workflow) -> Workflow:
    """The workflow with made-up pictures where the public ones are expected."""
    write_laboratories(workflow.root / "data" / "raw" / "cells")
    return workflow


def test_the_study_on_cells_plans_every_job(cells):
    """The paper's part: one structure hidden in one laboratory, six probabilities of label dropout, the benchmark."""
    assert cells.planned(*CELLS) == {
        **DATA,
        **GRID,
        "resolve": 7,
        "train": 29,
        "evaluate": 7,
        "compare": 4,
        **dict.fromkeys(("soundness", "summarise_histories", "summarise_tables", "claims_table"), 1),
        "figures_item": 3,
        "run_record": 1,
        "all": 1,
    }


def test_our_own_experiments_on_cells_plan_every_job(cells):
    """Thirty models in three places where something is hidden, 110 trainings with those of the paper's part."""
    assert cells.planned("instrument", *CELLS) == {
        **DATA,
        **GRID,
        "resolve": 30,
        "train": 110,
        "evaluate": 30,
        "compare": 5,
        "soundness_instrument": 1,
        "claims_table": 1,
        "figures_item": 5,
        "instrument": 1,
    }


def test_no_cell_is_drawn_where_git_would_take_it(cells):
    """Figures that show cells are made on request alone, and not in the folder that is passed on."""
    planned = cells.planned("figures_with_pictures", *CELLS)
    assert (planned["figures_local"], planned["figures_with_pictures"]) == (1, 1)
    assert "figures_item" not in planned
    said = cells.run("--dry-run", "figures_with_pictures", *CELLS)
    assert "results/cells/local/figure_4.svg" in said.stdout
    assert "results/cells/figures/" not in said.stdout


def test_without_the_pictures_the_run_says_what_to_clone(workflow):
    """One message names the missing folder, the repository and its licence."""
    said = workflow.refusal(*CELLS)
    assert "data/raw/cells: the data set laboratory_1 is not there." in said
    assert "zxaoyou/segmentation_WBC on GitHub (GNU GPL version 3" in said
